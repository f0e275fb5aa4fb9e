"""`up` ends when the hosts serve, or says which do not."""

from datetime import UTC, datetime, timedelta
from typing import Any

from quartermaster.fleet.events import Noted, StepFinished
from quartermaster.fleet.hosts import Group, Host
from quartermaster.infra.settle import settle


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Hosts:
    """One host that is healthy from the n-th look on."""

    def __init__(self, healthy_from: int) -> None:
        self.looks, self.healthy_from = 0, healthy_from

    def group(self, cluster: str) -> Group:
        self.looks += 1
        health = "healthy" if self.looks >= self.healthy_from else "initial"
        host = Host("i-1", cluster, "a", "10.0.0.1", "InService", health)
        return Group("g", cluster, 1, 2, 1, ("a",), (), "arn", (host,))


def run(healthy_from: int) -> tuple[list[Any], Hosts]:
    hosts = Hosts(healthy_from)
    return list(settle(hosts, ["web"], Clock())), hosts  # type: ignore[arg-type]


def test_it_waits_until_the_balancer_calls_them_healthy() -> None:
    events, hosts = run(healthy_from=4)
    assert hosts.looks == 4
    assert isinstance(events[-1], StepFinished)
    assert not [event for event in events if isinstance(event, Noted)]


def test_a_host_that_never_serves_is_named_and_awaited_no_longer() -> None:
    events, hosts = run(healthy_from=10**9)
    assert hosts.looks < 200
    warned = [event for event in events if isinstance(event, Noted)]
    assert "i-1 is InService, initial" in warned[0].message
