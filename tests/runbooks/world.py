"""A small cluster that behaves like a group behind a balancer, on a clock that only moves when someone waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from quartermaster.fleet.hosts import Group, Host, Requests
from quartermaster.fleet.schema import Fleet, read_text

MONDAY = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")


def a_fleet(**more: str) -> Fleet:
    """A fleet of one cluster; each keyword is a top-level key with its YAML."""
    text = "fleet: shop\nstacks: {dev: {target: local}}\nclusters: {web: {size: {min: 3, max: 9}, balancer: {}}}\n"
    for key, value in more.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
        text = "\n".join([*lines, f"{key}: {value}", ""])
    return read_text(text).fleet


def a_group(hosts: int = 3, *, desired: int | None = None, suspended: tuple[str, ...] = ()) -> Group:
    """A group whose hosts all serve, spread over three zones."""
    return Group(
        name="shop-dev-web",
        cluster="web",
        min=3,
        max=9,
        desired=hosts if desired is None else desired,
        zones=ZONES,
        suspended=suspended,
        target_group="arn:tg",
        hosts=tuple(Host(f"i-{n}", "web", ZONES[n % 3], f"10.20.0.{n}", "InService", "healthy") for n in range(hosts)),
    )


@dataclass
class FakeWorld:
    """Hosts, faults, request counter and clock in one; delays are seconds since the kill."""

    now_group: Group = field(default_factory=a_group)
    instant: datetime = MONDAY
    noticed_after: float = 12.0
    given_up_after: float = 20.0
    launched_after: float = 25.0
    in_service_after: float = 60.0
    healthy_after: float = 70.0
    failed_share: float = 1 / 3
    """Of requests while a dead host is not noticed."""
    per_second: float = 40.0
    killed: dict[str, datetime] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)
    counts: tuple[float, float] = (0.0, 0.0)
    on_sleep: Callable[[FakeWorld], None] = lambda world: None

    def now(self) -> datetime:
        return self.instant

    def sleep(self, seconds: float) -> None:
        dead = any(host.id in self.killed and host.serving for host in self.group("web").hosts)
        sent, failed = self.counts
        extra = self.per_second * seconds
        self.counts = (sent + extra, failed + extra * self.failed_share * dead)
        self.instant += timedelta(seconds=seconds)
        self.on_sleep(self)

    def read(self, cluster: str) -> Requests:
        return Requests(*(int(value) for value in self.counts))

    def kill_host(self, host_id: str) -> None:
        assert host_id not in self.killed, "a host is killed once"
        self.killed[host_id] = self.instant

    def fail_over(self, instance: str) -> None:
        raise NotImplementedError

    def fail_zone(self, zone: str) -> None:
        raise NotImplementedError

    def heal_zone(self, zone: str) -> None:
        raise NotImplementedError

    def terminate(self, host_id: str) -> None:
        assert host_id not in self.terminated, "a host is terminated once"
        self.terminated.append(host_id)
        # The group need not notice any more: it knows.
        earlier = timedelta(seconds=self.given_up_after)
        self.killed[host_id] = min(self.killed.get(host_id, self.instant), self.instant - earlier)

    def group(self, cluster: str) -> Group:
        hosts = list(self.now_group.hosts)
        for lost, at in self.killed.items():
            since = (self.instant - at).total_seconds()
            index = next(i for i, host in enumerate(hosts) if host.id == lost)
            dead = hosts[index]
            if since >= self.given_up_after:
                hosts[index] = replace(dead, lifecycle="Terminating", health="draining")
            elif since >= self.noticed_after:
                hosts[index] = replace(dead, health="unhealthy")
            if since >= self.launched_after:
                lifecycle = "InService" if since >= self.in_service_after else "Pending:Wait"
                health = "healthy" if since >= self.healthy_after else "initial"
                hosts.append(Host(f"{lost}-new", "web", dead.zone, "10.20.0.99", lifecycle, health))
        return replace(self.now_group, hosts=tuple(hosts))
