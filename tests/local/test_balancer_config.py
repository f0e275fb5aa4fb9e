"""HAProxy's configuration, the commands that move its servers, and what its statistics say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.infra.local.balancer import (
    BalancerSpec,
    Check,
    Front,
    Health,
    Pool,
    Server,
    config,
    counts,
    decide,
    present,
)

CHECK = Check("HTTP", "/healthz", 0, 5, 2, 3, 2, "200-299")
POOL = Pool("arn:web", "web", "http", "least_outstanding_requests", CHECK)
SPEC = BalancerSpec(
    "arn:lb", "web", "vpc-1", "10.9.0.0/16", "10.9.0.5", 60, (Front(80, "http", (("web", 1),)),), (POOL,)
)
SERVER = Server("i-1", "10.9.0.4", 80)
COLUMNS = (
    "pxname,svname,mode,status,check_status,check_code,stot,econ,srv_abrt,"
    "hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other"
)


def stat(*rows: dict[str, object]) -> str:
    names = COLUMNS.split(",")
    return "# " + COLUMNS + "\n" + "".join(",".join(str(row.get(name, "")) for name in names) + "\n" for row in rows)


@pytest.mark.parametrize("line", ["retries 0", "no option redispatch", "http-reuse never", "option http-server-close"])
def test_nothing_hides_a_failed_request(line: str) -> None:
    assert f"    {line}\n" in config(SPEC, socket_fd=3)


@pytest.mark.parametrize(
    ("word", "balance"),
    [("round_robin", "roundrobin"), ("least_outstanding_requests", "leastconn"), ("weighted_random", "random(1)")],
)
def test_each_algorithm_has_its_haproxy_word(word: str, balance: str) -> None:
    spec = replace(SPEC, pools=(replace(POOL, algorithm=word),))
    assert f"balance {balance}\n" in config(spec, socket_fd=3)


def test_the_health_check_is_the_target_groups() -> None:
    text = config(SPEC, socket_fd=3)
    assert "option httpchk GET /healthz" in text
    assert "http-check expect status 200-299" in text
    assert "timeout check 2000ms" in text


def test_weights_choose_between_pools() -> None:
    front = Front(80, "http", (("blue", 90), ("green", 10)))
    text = config(replace(SPEC, fronts=(front,)), socket_fd=3)
    assert "rand(100)" in text
    assert "use_backend blue if { var(sess.pick) -m int lt 90 }" in text
    assert "default_backend green" in text


def test_a_new_server_starts_drained_and_checked() -> None:
    assert decide(POOL, {"i-1": SERVER}, {}) == [
        "add server web/i-1 10.9.0.4:80 check inter 5000ms rise 3 fall 2",
        "set server web/i-1 state drain",
        "enable health web/i-1",
    ]


def test_a_new_server_is_let_in_at_its_first_passed_check() -> None:
    assert decide(POOL, {"i-1": SERVER}, {"i-1": Health("drain", "")}) == []
    assert decide(POOL, {"i-1": SERVER}, {"i-1": Health("drain", "L7STS", "404")}) == []
    assert decide(POOL, {"i-1": SERVER}, {"i-1": Health("drain", "L7OK")}) == ["set server web/i-1 state ready"]


def test_a_leaving_server_drains_once_and_is_not_let_in_again() -> None:
    leaving = {"i-1": replace(SERVER, leaving=True)}
    assert decide(POOL, leaving, {"i-1": Health("up", "L7OK")}) == ["set server web/i-1 state drain"]
    assert decide(POOL, leaving, {"i-1": Health("drain", "L7OK")}) == []
    assert decide(POOL, leaving, {}) == []


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
        {"pxname": "web", "svname": "BACKEND", "status": "UP"},
    )
    assert present(text) == {"web": {"i-1": Health("up", "L7OK", "200"), "i-2": Health("down", "L4TOUT")}}


def test_failed_requests_are_those_answered_5xx_or_cut_by_the_server() -> None:
    front = {"pxname": "f", "svname": "FRONTEND", "mode": "http", "hrsp_2xx": 90, "hrsp_4xx": 5, "hrsp_5xx": 3}
    back = {"pxname": "web", "svname": "BACKEND", "mode": "http", "srv_abrt": 2}
    assert counts(stat(front, back)) == (98, 5)


@pytest.mark.parametrize(
    ("check", "reason"),
    [("L4TOUT", "Target.Timeout"), ("L7STS", "Target.ResponseCodeMismatch"), ("L4CON", "Target.FailedHealthChecks")],
)
def test_a_failed_check_has_awss_reason(check: str, reason: str) -> None:
    assert Health("down", check).reason[0] == reason
