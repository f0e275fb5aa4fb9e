"""Leaving a zone gently: which one, what forbids it, what is seen of it, and that the shift is gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, OpsError
from quartermaster.fleet.events import Event, StepFinished
from quartermaster.fleet.hosts import Group, Requests
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.zonal_shift import Shift
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.execute import Aborted
from quartermaster.runbooks.plan import DrillPlan
from tests.runbooks.rehearsal import boundary, cut_short, finish, finished
from tests.runbooks.world import MONDAY, ZONES, FakeWorld, a_fleet, a_group

AWS = "{dev: {target: aws, account: '123456789012', state: 's3://x'}}"


@dataclass
class Zones(FakeWorld):
    """Three zones asked alike, but for one that a shift keeps requests from after a few seconds."""

    shift: Shift | None = None
    since: Any = None
    is_managed: bool = True
    arrives_after: float = 3.0
    lingers: float = 6.0
    """So long clients that keep their connections are still answered in the zone."""
    by_zone: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ZONES, 0.0))
    fails_while_away: float = 0.0
    cancelled: list[str] = field(default_factory=list)

    def managed(self, cluster: str) -> bool:
        return self.is_managed

    def holding(self, cluster: str) -> Shift | None:
        return self.shift if self.shift is not None and self.now() < self.shift.until else None

    def start(self, cluster: str, zone: str, minutes: int, why: str) -> Shift:
        assert self.holding(cluster) is None, "ARC takes one shift at a time"
        self.shift, self.since = Shift("s-1", zone, self.now() + timedelta(minutes=minutes), why), self.now()
        return self.shift

    def cancel(self, shift: Shift) -> None:
        assert self.shift is shift
        self.cancelled.append(shift.id)
        self.shift = None

    def away(self, after: float) -> str:
        """The zone, once the shift has held for so long."""
        shift = self.holding("web")
        return shift.zone if shift is not None and (self.now() - self.since).total_seconds() >= after else ""

    def sleep(self, seconds: float) -> None:
        asked = [zone for zone in ZONES if zone != self.away(self.arrives_after + self.lingers)]
        for zone in asked:
            self.by_zone[zone] += self.per_second * seconds / len(asked)
        sent, failed = self.counts
        extra = self.per_second * seconds
        self.counts = sent + extra, failed + extra * self.fails_while_away * bool(self.holding("web"))
        self.instant += timedelta(seconds=seconds)
        self.on_sleep(self)

    def zones(self, cluster: str) -> Mapping[str, int]:
        return {zone: int(count) for zone, count in self.by_zone.items()}

    def read(self, cluster: str) -> Requests:
        return Requests(*(int(value) for value in self.counts))

    def group(self, cluster: str) -> Group:
        away = self.away(self.arrives_after)
        hosts = tuple(replace(host, shifted=host.zone == away) for host in self.now_group.hosts)
        return replace(self.now_group, hosts=hosts)


def hands(world: Zones) -> Hands:
    return Hands(hosts=world, faults=world, clock=world, counter=world, shifts=world, zone_counter=world)


def a_plan(world: Zones, fleet: Fleet | None = None) -> DrillPlan:
    fleet = fleet or a_fleet()
    scene = drill.see("zone_evacuation", "web", fleet, hands(world))
    return drill.plan("zone_evacuation", "web", scene=scene, fleet=fleet, stack="dev", now=MONDAY)


def run(plan: DrillPlan, world: Zones, journal: Journal) -> tuple[list[Event], DrillResult]:
    return finish(drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world)))


def guard(plan: DrillPlan, name: str) -> Any:
    return next(item for item in plan.guards if item.name == name)


def test_traffic_leaves_and_comes_back_and_nobody_notices(journal: Journal) -> None:
    world = Zones()
    plan = a_plan(world)
    events, result = run(plan, world, journal)
    found = {event.step: event.detail["found"] for event in events if isinstance(event, StepFinished)}
    assert list(found) == ["steady_before", "shift", "leave", "serves", "end", "back", "stays"]
    assert found["shift"] == f"1 of 1 hosts of {plan.zone} get no new request"
    assert (result.restored, result.requests["failed"], result.evidence) == (True, 0, "rehearsed")
    # The shift arrives after 3 s; the last request is answered 6 s later, and 5 s without any prove it.
    assert result.rto_phases == {"act": 3.0, "converge": pytest.approx(11, abs=1), "verify": 0.0}
    assert world.holding("web") is None
    assert result.requests["sent"] > 0


def test_the_fullest_zone_is_left_and_the_rest_must_carry_it() -> None:
    world = Zones(now_group=a_group(4))
    plan = a_plan(world)
    assert (plan.zone, plan.loss.hosts) == ("eu-west-1a", ("i-0", "i-3"))
    assert guard(plan, "capacity").found.startswith("demand is unknown; 2 hosts")
    plan.require()


def test_a_cluster_in_one_zone_has_nowhere_to_go() -> None:
    group = a_group(2)
    world = Zones(now_group=replace(group, hosts=tuple(replace(host, zone=ZONES[0]) for host in group.hosts)))
    with pytest.raises(GuardRefused, match="all hosts of web are in eu-west-1a: a shift would have no effect"):
        a_plan(world).require()


def test_a_balancer_that_takes_no_shift_is_named() -> None:
    with pytest.raises(GuardRefused, match="the balancer of web takes no zonal shifts"):
        a_plan(Zones(is_managed=False)).require()


def test_beside_another_shift_none_is_begun() -> None:
    world = Zones()
    world.start("web", ZONES[1], 20, "zone b is ill")
    with pytest.raises(GuardRefused, match=r"shifted away from eu-west-1b until .* already: zone b is ill"):
        a_plan(world).require()


def test_a_shift_that_somebody_began_since_the_plan_stays_theirs(journal: Journal) -> None:
    world = Zones()
    plan = a_plan(world)
    theirs = world.start("web", ZONES[1], 20, "zone b is ill")
    with pytest.raises(OpsError) as refused:
        run(plan, world, journal)
    assert world.holding("web") is theirs
    assert render(refused.value) == (
        "error: the world has moved since the plan: web is shifted away from eu-west-1b (zone b is ill)\n"
        "  remedy: wait until that ends, then plan anew\n"
    )


def test_a_request_in_a_hundred_that_fails_ends_it_and_the_zone_is_back(journal: Journal) -> None:
    world = Zones(fails_while_away=0.02, lingers=600)
    with pytest.raises(Aborted, match=r"requests failed, more than the 1%"):
        run(a_plan(world), world, journal)
    (row,) = journal.runs("drill")
    assert row.result is not None
    assert row.result["restored"]
    assert world.cancelled == ["s-1"]


@pytest.mark.parametrize("step", ["shift", "leave", "serves", "end", "back"])
def test_a_drill_that_died_leaves_no_shift_after_recover(journal: Journal, step: str) -> None:
    world = Zones()
    events = drill.run(a_plan(world), journal=journal, leases=Leases(journal.engine), hands=hands(world))
    cut_short(events, finished(step))
    (row,) = drill.unfinished(journal)
    recovering = drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=hands(world))
    assert finish(recovering)[1].restored
    assert world.holding("web") is None
    assert world.cancelled == ["s-1"]


def test_a_drill_that_died_before_its_shift_touches_nothing(journal: Journal) -> None:
    world = Zones()
    events = drill.run(a_plan(world), journal=journal, leases=Leases(journal.engine), hands=hands(world))
    cut_short(events, boundary(1))
    (row,) = drill.unfinished(journal)
    finish(drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=hands(world)))
    assert world.cancelled == []


def test_a_shift_that_expires_by_itself_gives_the_zone_back() -> None:
    world = Zones()
    world.start("web", ZONES[0], 1, "drill")
    world.sleep(30)
    assert world.group("web").hosts[0].shifted
    world.sleep(31)
    assert not world.group("web").hosts[0].shifted


def test_on_aws_the_shift_ends_it_and_minutes_of_silence_prove_the_zone_empty() -> None:
    plan = a_plan(Zones(), a_fleet(stacks=AWS, region="eu-west-1"))
    assert guard(plan, "fault").verdict == "holds"
    assert "left(" in plan.document
    assert ", 180)" in plan.document
    assert "--expires-in 30m" in plan.document
