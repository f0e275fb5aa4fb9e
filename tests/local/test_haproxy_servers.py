"""The commands that move HAProxy's servers, and what its statistics say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.infra.local.balancer import Check, Health, Pool, Server
from quartermaster.infra.local.haproxy_servers import counts, decide, latency_ms, present, server_requests

CHECK = Check("HTTP", "/healthz", 0, 5, 2, 3, 2, "200-299")
POOL = Pool("arn:web", "web", "http", "least_outstanding_requests", CHECK)
STICKY = replace(POOL, sticky_seconds=600)
SLOW = replace(POOL, algorithm="round_robin", slow_start_seconds=30)
SERVER = Server("i-1", "10.9.0.4", 80)
COLUMNS = (
    "pxname,svname,mode,status,check_status,check_code,check_rise,stot,econ,srv_abrt,"
    "hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,ctime,rtime"
)


def stat(*rows: dict[str, object]) -> str:
    names = COLUMNS.split(",")
    return "# " + COLUMNS + "\n" + "".join(",".join(str(row.get(name, "")) for name in names) + "\n" for row in rows)


def test_a_new_server_starts_drained_and_is_checked_at_once() -> None:
    assert decide(POOL, {"i-1": SERVER}, {}) == [
        "add server web/i-1 10.9.0.4:80 check inter 5000ms downinter 50ms rise 1 fall 2",
        "set server web/i-1 state drain",
        "enable health web/i-1",
    ]


@pytest.mark.parametrize(
    ("check", "state", "trusted"),
    [("L7OK", "ready", ["set server web/i-1 health up"]), ("L7STS", "drain", [])],
)
def test_a_new_server_is_let_in_when_it_passed_its_first_check_else_checked_at_the_interval(
    check: str, state: str, trusted: list[str]
) -> None:
    assert decide(POOL, {"i-1": SERVER}, {"i-1": Health("drain", "INI", on_trial=True)}) == []
    assert decide(POOL, {"i-1": SERVER}, {"i-1": Health("drain", check, on_trial=True)}) == [
        "set server web/i-1 state maint",
        "del server web/i-1",
        "add server web/i-1 10.9.0.4:80 check inter 2000ms fastinter 8000ms downinter 5000ms rise 3 fall 2",
        f"set server web/i-1 state {state}",
        "enable health web/i-1",
        *trusted,
    ]


def test_a_server_whose_shift_ended_is_let_in_with_the_connections_that_it_has() -> None:
    assert decide(POOL, {"i-1": SERVER}, {"i-1": Health("drain", "L7OK")}) == ["set server web/i-1 state ready"]


def test_slow_start_begins_when_a_server_is_let_in_beside_others() -> None:
    drained, other = {"i-1": Health("drain", "L7OK")}, {"i-2": Health("up", "L7OK")}
    wanted = {"i-1": SERVER, "i-2": replace(SERVER, id="i-2")}
    assert decide(SLOW, wanted, drained | other) == ["set server web/i-1 state maint", "set server web/i-1 state ready"]
    new = {"i-1": Health("drain", "L7OK", on_trial=True)}
    assert decide(SLOW, wanted, new | other)[2].endswith("slowstart 30s")
    assert "slowstart" not in decide(SLOW, {"i-1": SERVER}, new)[2]


def test_a_server_of_a_sticky_pool_gets_its_cookie_when_it_is_let_in() -> None:
    new = {"i-1": Health("drain", "L7OK", on_trial=True)}
    assert decide(STICKY, {"i-1": SERVER}, new)[-1].startswith("set dynamic-cookie-key backend web ")
    assert decide(STICKY, {"i-1": SERVER}, {"i-1": Health("up", "L7OK")}) == []


def test_a_leaving_server_drains_once_and_is_not_let_in_again() -> None:
    leaving = {"i-1": replace(SERVER, leaving=True)}
    assert decide(POOL, leaving, {"i-1": Health("up", "L7OK")}) == ["set server web/i-1 state drain"]
    assert decide(POOL, leaving, {"i-1": Health("drain", "L7OK")}) == []
    assert decide(POOL, leaving, {}) == []


def test_a_leaving_server_gets_no_request_by_its_cookie_either() -> None:
    leaving = {"i-1": replace(SERVER, leaving=True)}
    assert decide(STICKY, leaving, {"i-1": Health("up", "L7OK")}) == ["set server web/i-1 state maint"]
    assert decide(STICKY, leaving, {"i-1": Health("maint", "")}) == []


def test_a_gone_server_loses_its_sessions_and_its_place() -> None:
    assert decide(POOL, {}, {"i-1": Health("drain", "L7OK")}) == [
        "set server web/i-1 state maint",
        "shutdown sessions server web/i-1",
        "del server web/i-1",
    ]


def test_statistics_tell_each_servers_health() -> None:
    text = stat(
        {"pxname": "web", "svname": "i-1", "status": "UP 1/2", "check_status": "L7OK", "check_code": 200},
        {"pxname": "web", "svname": "i-2", "status": "DOWN", "check_status": "* L4TOUT"},
        {"pxname": "web", "svname": "i-3", "status": "DRAIN", "check_status": "L7OK", "check_rise": 1},
        {"pxname": "web", "svname": "BACKEND", "status": "UP"},
    )
    assert present(text) == {
        "web": {
            "i-1": Health("up", "L7OK", "200"),
            "i-2": Health("down", "L4TOUT"),
            "i-3": Health("drain", "L7OK", on_trial=True),
        }
    }


def test_failed_requests_are_those_answered_5xx_or_cut_by_the_server() -> None:
    front = {"pxname": "f", "svname": "FRONTEND", "mode": "http", "hrsp_2xx": 90, "hrsp_4xx": 5, "hrsp_5xx": 3}
    back = {"pxname": "web", "svname": "BACKEND", "mode": "http", "srv_abrt": 2}
    assert counts(stat(front, back)) == (98, 5)


def test_the_response_time_is_the_mean_of_pools_that_carried_something() -> None:
    pool = {"svname": "BACKEND", "mode": "http"}
    busy = {**pool, "pxname": "a", "hrsp_2xx": 300, "ctime": 1, "rtime": 7}
    slow = {**pool, "pxname": "b", "hrsp_2xx": 100, "rtime": 40}
    idle = {**pool, "pxname": "c", "rtime": 900}
    host = {"svname": "i-1", "mode": "http", "pxname": "a", "hrsp_2xx": 300, "rtime": 7000}
    assert latency_ms(stat(busy, slow, idle, host)) == (300 * 8 + 100 * 40) / 400
    assert latency_ms(stat(idle)) is None


@pytest.mark.parametrize(
    ("check", "reason"),
    [("L4TOUT", "Target.Timeout"), ("L7STS", "Target.ResponseCodeMismatch"), ("L4CON", "Target.FailedHealthChecks")],
)
def test_a_failed_check_has_awss_reason(check: str, reason: str) -> None:
    assert Health("down", check).reason[0] == reason


def test_requests_are_counted_by_server_over_all_pools() -> None:
    rows = [
        {"pxname": "front", "svname": "FRONTEND", "mode": "http", "hrsp_2xx": 9},
        {"pxname": "web", "svname": "i-1", "mode": "http", "hrsp_2xx": 4, "hrsp_5xx": 1},
        {"pxname": "new", "svname": "i-1", "mode": "http", "hrsp_2xx": 2},
        {"pxname": "web", "svname": "i-2", "mode": "http"},
        {"pxname": "db", "svname": "i-3", "mode": "tcp", "stot": 3},
        {"pxname": "web", "svname": "BACKEND", "mode": "http", "hrsp_2xx": 7},
    ]
    assert server_requests(stat(*rows)) == {"i-1": 7, "i-2": 0, "i-3": 3}
