"""A small world of zones: a cluster and a database that behave as AWS's when one zone falls silent, on a clock that
only moves when someone waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Group, Host, Requests
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.case import Known
from quartermaster.runbooks.plan import DrillPlan
from tests.runbooks.world import MONDAY, ZONES, a_fleet, a_group

NOTICED, GIVEN_UP, LAUNCHED, IN_SERVICE, HEALTHY = 13.0, 18.0, 20.0, 40.0, 50.0
"""Seconds from the cut until the balancer, the group and the new hosts come so far."""
RDS_NOTICED, RDS_MOVED = 6.0, 30.0
REBALANCED = 60.0
"""Seconds from the return of the zone until the group has spread its hosts again."""


def a_database(**changed: object) -> DatabaseState:
    values = {
        "name": "orders", "id": "shop-dev-orders", "arn": "arn:db", "status": "available", "zone": ZONES[0],
        "standby_zone": ZONES[1], "multi_az": True, "address": "10.20.0.200", "port": 5432, "version": "16.9",
        "backup_window": "", "parameter_group": "pg", "pending_reboot": False,
        "restorable_to": datetime(2026, 11, 16, 9, 56, tzinfo=UTC),
    }  # fmt: skip
    return DatabaseState(**{**values, **changed})  # type: ignore[arg-type]


def fleet(**more: str) -> Fleet:
    clusters = "{web: {size: {min: 6, max: 9}, balancer: {check_seconds: 5, unhealthy_after: 2}, uses: [orders]}}"
    return a_fleet(**{"clusters": clusters, "databases": "{orders: {standby: true}}", **more})


@dataclass
class ZoneWorld:
    """Hosts, databases, faults, requests, writes and clock in one."""

    before: Group = field(default_factory=lambda: a_group(6))
    state: DatabaseState = field(default_factory=a_database)
    instant: datetime = MONDAY
    cut_at: datetime | None = None
    healed_at: datetime | None = None
    heals: int = 0
    counts: tuple[float, float] = (0.0, 0.0)
    failed_share: float = 1 / 3
    slow: float = 1.0
    """Everything but the return takes so much longer."""
    tables: list[str] = field(default_factory=list)
    on_sleep: Callable[[ZoneWorld], None] = lambda world: None

    def now(self) -> datetime:
        return self.instant

    def sleep(self, seconds: float) -> None:
        sent, failed = self.counts
        extra = 40 * seconds
        failing = self._away and self._since < NOTICED * self.slow
        self.counts = (sent + extra, failed + extra * self.failed_share * failing)
        self.instant += timedelta(seconds=seconds)
        self.on_sleep(self)

    def read(self, cluster: str) -> Requests:
        sent, failed = self.counts
        return Requests(int(sent), int(failed), latency_ms=40.0 if self._away else 4.0)

    def kill_host(self, host_id: str) -> None:
        raise NotImplementedError

    fail_over = kill_host
    terminate = kill_host

    def fail_zone(self, zone: str) -> None:
        assert self.cut_at is None, "a zone is cut off once"
        self.cut_at = self.instant

    def heal_zone(self, zone: str) -> None:
        self.heals += 1
        if self.cut_at is not None and self.healed_at is None:
            self.healed_at = self.instant

    @property
    def _away(self) -> bool:
        return self.cut_at is not None and self.healed_at is None

    @property
    def _since(self) -> float:
        assert self.cut_at is not None
        return ((self.healed_at or self.instant) - self.cut_at).total_seconds()

    def group(self, cluster: str) -> Group:
        if self.cut_at is None:
            return self.before
        since = self._since / self.slow
        zone = ZONES[0]
        kept = [host for host in self.before.hosts if host.zone != zone]
        lost = [host for host in self.before.hosts if host.zone == zone]
        if since < GIVEN_UP:
            health = "unhealthy" if since >= NOTICED and self._away else "healthy"
            return replace(self.before, hosts=(*kept, *(replace(host, health=health) for host in lost)))
        back = self.healed_at is not None and (self.instant - self.healed_at).total_seconds() >= REBALANCED
        at = since + (REBALANCED if back else 0)
        lifecycle = "InService" if at >= IN_SERVICE else "Pending:Wait"
        health = "healthy" if at >= HEALTHY else "initial"
        if at < LAUNCHED:
            return replace(self.before, hosts=tuple(kept))
        homes = [zone] * len(lost) if back else [ZONES[1 + n % 2] for n in range(len(lost))]
        new = [Host(f"i-new{n}", "web", home, "10.20.1.1", lifecycle, health) for n, home in enumerate(homes)]
        return replace(self.before, hosts=(*kept, *new))

    def state_of(self, at: datetime) -> DatabaseState:
        if self.cut_at is None:
            return self.state
        since = self._since / self.slow
        if since < RDS_NOTICED:
            return self.state
        if since < RDS_MOVED and self._away:
            return replace(self.state, status="rebooting")
        follows = self.healed_at is not None and (at - self.healed_at).total_seconds() >= 10
        return replace(self.state, zone=ZONES[1], standby_zone=ZONES[0] if follows else "")

    def reboot(self, name: str, *, failover: bool) -> None:
        raise NotImplementedError

    def create(self) -> None:
        self.tables.append("probe")

    def write(self, number: int) -> None:
        if self._away and self.state_of(self.instant).zone == ZONES[0]:
            raise OpsError("no answer")

    def count(self, numbers: Sequence[int]) -> int:
        return len(numbers)

    def drop(self) -> None:
        self.tables.clear()


class Servers:
    """The databases of the world."""

    def __init__(self, world: ZoneWorld) -> None:
        self._world = world

    def state(self, name: str) -> DatabaseState:
        return self._world.state_of(self._world.instant)

    def reboot(self, name: str, *, failover: bool) -> None:
        raise NotImplementedError

    def events(self, name: str, since: datetime) -> list[tuple[datetime, str]]:
        raise NotImplementedError


def hands(world: ZoneWorld, *, writes: bool = False) -> Hands:
    return Hands(
        hosts=world, faults=world, clock=world, counter=world, databases=Servers(world),
        writer=lambda _: world if writes else None,
    )  # fmt: skip


def a_plan(world: ZoneWorld, **changed: object) -> DrillPlan:
    declared = changed.pop("fleet", None) or fleet()
    assert isinstance(declared, Fleet)
    asked = {"stack": "dev", "now": MONDAY, "known": Known({}, ()), **changed}
    scene = drill.see("zone_outage", "web", declared, hands(world))
    return drill.plan("zone_outage", "web", scene=scene, fleet=declared, **asked)  # type: ignore[arg-type]
