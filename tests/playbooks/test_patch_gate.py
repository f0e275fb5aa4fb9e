"""The gate opens on enough good and quick requests, or on probes, never on missing data."""

from __future__ import annotations

import http.server
import threading
import time

import pytest

from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks.patch_gate import NOTICED_MS, PROBES, Usual, http_probe, judge
from quartermaster.playbooks.patch_plan import GateRule

RULE = GateRule(min_requests=500, max_error_rate=0.01, max_latency_ratio=2.0)
USUAL = Usual(balancer_ms=80.0, probes_ms=60.0)


def good(count: int) -> Requests:
    return Requests(count, 0, 60.0)


@pytest.mark.parametrize(
    ("seen", "opens"),
    [
        (Requests(500, 0, 50.0), True),
        (Requests(1000, 10, 50.0), True),
        (Requests(1000, 11, 50.0), False),
        (Requests(10, 1, 50.0), False),
        (Requests(500, 0, 160.0), True),
        (Requests(500, 0, 161.0), False),
    ],
)
def test_counts_and_times_decide_where_there_are_enough(seen: Requests, opens: bool) -> None:
    assert (judge(RULE, seen, good, USUAL) == "") is opens


def test_what_nobody_notices_shuts_no_gate() -> None:
    quick = Usual(balancer_ms=1.0, probes_ms=1.0)
    assert judge(RULE, Requests(500, 0, 1 + NOTICED_MS), good, quick) == ""
    assert "1 ms before" in judge(RULE, Requests(500, 0, 2 + NOTICED_MS), good, quick)


@pytest.mark.parametrize("seen", [None, Requests(0, 0), Requests(499, 0, 50.0), Requests(500, 0)])
def test_too_little_needs_probes_that_all_succeed_in_time(seen: Requests | None) -> None:
    assert judge(RULE, seen, good, USUAL) == ""
    assert "1 of 50 probes failed" in judge(RULE, seen, lambda count: Requests(count, 1, 60.0), USUAL)
    assert "probes failed" in judge(RULE, seen, lambda _: Requests(PROBES - 1, 0, 60.0), USUAL)
    assert "121 ms by probes" in judge(RULE, seen, lambda count: Requests(count, 0, 121.0), USUAL)


@pytest.mark.parametrize("seen", [None, Requests(0, 0), Requests(499, 0, 50.0), Requests(500, 0)])
def test_too_little_and_no_probe_stay_shut(seen: Requests | None) -> None:
    assert "no way to probe" in judge(RULE, seen, None, USUAL)


def test_without_times_from_before_there_is_nothing_to_compare() -> None:
    assert "before the run is unknown" in judge(RULE, Requests(500, 0, 1.0), good, Usual())
    assert judge(RULE, Requests(500, 0, 1.0), good, Usual(probes_ms=60.0)) == ""


def test_no_requests_never_pass_even_when_none_are_asked_for() -> None:
    assert judge(GateRule(0, 0.01), Requests(0, 0), None, USUAL)


class _Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(0.02)
        self.send_response(503 if self.path == "/down" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_probes_are_counted_and_timed() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        up, down = http_probe(f"{url}/")(3), http_probe(f"{url}/down")(2)
        server.shutdown()
    assert (up.sent, up.failed, down.failed) == (3, 0, 2)
    assert up.latency_ms is not None and up.latency_ms >= 20
    assert http_probe(f"{url}/")(2).failed == 2
