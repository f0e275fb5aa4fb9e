"""A real Prometheus server: its history read in chunks, counters that begin anew, and what it refuses."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.schema import load_fleet
from quartermaster.fleet.secret import Secret
from quartermaster.planner.sources import Query, Stretch
from quartermaster.planner.sources.prometheus import Prometheus, is_counter, prometheus_queries
from quartermaster.planner.store import load
from quartermaster.planner.sync import sync

US, DAYS = 1_000_000, 9
"""More days than one query may hold minutes."""
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
START = END - timedelta(days=DAYS)


def openmetrics() -> str:
    """Two instances scraped once a minute at second 20: a counts 60 a minute and begins anew each day, b 120; no scrape
    of either is there for the first hour of the third day. ``busy`` is a gauge."""
    first = round(START.timestamp()) + 20
    lines = ["# TYPE http_requests counter"]
    for instance, each in (("a", 60), ("b", 120)):
        for minute in range(DAYS * 1440):
            if not 2880 <= minute < 2940:
                count = each * (minute % 1440 if instance == "a" else minute)
                lines.append(f'http_requests_total{{instance="{instance}"}} {count} {first + 60 * minute}')
    lines.append("# TYPE busy gauge")
    lines += [f"busy {minute % 7 / 10} {first + 60 * minute}" for minute in range(DAYS * 1440)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that holds ``openmetrics`` and scrapes nobody."""
    home = tmp_path_factory.mktemp("prometheus")
    (home / "history.txt").write_text(openmetrics())
    (home / "prometheus.yml").write_text("scrape_configs: []\n")
    backfill = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.txt", "data"]
    subprocess.run(backfill, cwd=home, check=True, capture_output=True)
    url = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--web.listen-address={url}", "--storage.tsdb.path=data", "--log.level=error"]
    with subprocess.Popen(
        [*command, "--storage.tsdb.retention.time=20d"], cwd=home, stderr=subprocess.DEVNULL
    ) as child:
        try:
            wait_for(f"http://{url}/-/ready")
            yield f"http://{url}"
        finally:
            child.terminate()


def wait_for(url: str) -> None:
    give_up_at = time.monotonic() + 120
    while True:
        try:
            urlopen(url, timeout=1).close()
            return
        except URLError:
            assert time.monotonic() < give_up_at, f"{url} does not come up"
            time.sleep(0.1)


def ask(url: str, promql: str, begin: datetime = START, end: datetime = END) -> np.ndarray:
    stretch = Stretch(round(begin.timestamp()) * US, round(end.timestamp()) * US, 60)
    (answer,) = Prometheus(url).read([(Query("web", "requests/s", "x", spec=promql), stretch)])
    values = np.full(stretch.steps, np.nan)
    values[(answer.readings.times - stretch.start_us) // (60 * US)] = answer.readings.values
    return values


@pytest.mark.prometheus
def test_counters_become_the_rate_of_all_of_them_whatever_begins_anew(server: str) -> None:
    values = ask(server, "http_requests_total")
    known = np.isfinite(values)
    anew = np.zeros(len(values), dtype=bool)
    for day in range(1, DAYS):
        # From 1439 * 60 to 0: what a counted in that minute is lost, half of it before the full minute at second 20.
        anew[day * 1440 - 1 : day * 1440 + 1] = True
    assert values[known & ~anew] == pytest.approx(3.0)
    assert (values[known & anew] >= 2.0).all()
    assert (values[known & anew] < 3.0).all(), "no leap down is ever a negative rate, or a leap up"
    missing = np.flatnonzero(~known)
    assert missing.min() == 0, "of the first minute only 40 seconds are known"
    assert set(missing) - {0, len(values) - 1} == set(range(2879, 2941))


@pytest.mark.prometheus
def test_where_a_query_was_cut_shows_in_no_number(server: str) -> None:
    whole = ask(server, "http_requests_total")
    parts = [
        ask(server, "http_requests_total", START + timedelta(hours=h), START + timedelta(hours=h + 6))
        for h in range(0, 216, 6)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-9)


@pytest.mark.prometheus
def test_an_expression_is_taken_at_each_minute(server: str) -> None:
    assert ask(server, "busy")[1:].tolist() == [(m - 1) % 7 / 10 for m in range(1, DAYS * 1440)]
    assert np.nanmax(ask(server, "sum(rate(http_requests_total[5m]))")) == pytest.approx(3.0)


@pytest.mark.prometheus
def test_several_series_where_one_is_needed_are_refused(server: str) -> None:
    with pytest.raises(InputError, match="2 time series") as caught:
        ask(server, "rate(http_requests_total[5m])")
    assert caught.value.remedy == "aggregate them: sum(rate(http_requests_total[5m]))"


@pytest.mark.prometheus
def test_a_query_that_the_server_refuses_is_named_with_its_reason(server: str) -> None:
    with pytest.raises(InputError, match=r"query of web is refused: bad_data.*parse error"):
        ask(server, "sum(rate(busy[5m])")


@pytest.mark.prometheus
def test_the_store_is_synced_from_the_server_and_knows_how_far_back_it_goes(server: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        f"fleet: shop\nclusters: {{web: {{}}}}\nmetrics:\n  source: {{kind: prometheus, url: '{server}'}}\n"
        "  demand: {web: {query: http_requests_total, companions: {utilisation: busy}}}\n"
    )
    queries = prometheus_queries(load_fleet(tmp_path / "fleet.yaml"))
    source, now = Prometheus(server), END + timedelta(hours=2)
    assert source.retention(now)[0].since == now - timedelta(days=20)
    done = list(sync(tmp_path / "store", source, queries, now))
    assert [s.series for s in done] == ["web", "web:utilisation"]
    assert load(tmp_path / "store", "web")["value"].median() == pytest.approx(3.0)
    assert {(s.added, s.changed) for s in sync(tmp_path / "store", source, queries, now)} == {(0, 0)}


def test_a_server_that_is_not_there_is_named_with_what_to_check() -> None:
    with pytest.raises(OpsError, match="Connection refused") as caught:
        ask(f"http://127.0.0.1:{free_port()}", "up")
    assert "metrics.source.url" in caught.value.remedy


@contextmanager
def stand_in(status: int, body: str, seen: list[str] | None = None, **headers: str) -> Iterator[str]:
    """A server that says one thing: what a real one says only when it is ill."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if seen is not None:
                seen.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Not a line a request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


PARTIAL = {"status": "success", "warnings": ["store s3 timed out"], "data": {"resultType": "matrix", "result": []}}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, json.dumps(PARTIAL), "in part only: store s3 timed out"),
        (200, "<html>Welcome</html>", "no Prometheus API"),
        (401, "", "does not let us in"),
        (302, "", "redirect"),
        (503, json.dumps({"errorType": "timeout", "error": "query timed out"}), "timeout: query timed out"),
    ],
)
def test_what_went_wrong_is_said_and_nothing_is_used(status: int, body: str, said: str) -> None:
    with stand_in(status, body, Location="http://127.0.0.1:1/") as url, pytest.raises(OpsError, match=said):
        ask(url, "busy")


def test_the_authorization_comes_from_the_environment_and_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_AUTH", "Bearer abc")
    seen: list[str] = []
    query = Query("web", "", "", spec="busy")
    with stand_in(403, "", seen) as url, pytest.raises(OpsError) as caught:
        list(Prometheus(url, Secret.parse("secret:PROMETHEUS_AUTH")).read([(query, Stretch(0, 60 * US, 60))]))
    assert seen == ["Bearer abc"]
    assert "abc" not in str(caught.value)


def test_a_counter_is_one_by_its_bare_name() -> None:
    assert is_counter("http_requests_total")
    assert is_counter('http_requests_total{job="web",code=~"2.."}')
    assert not is_counter("sum(rate(http_requests_total[5m]))")
    assert not is_counter("http_requests_total[5m]")
    assert not is_counter("node_load1")
