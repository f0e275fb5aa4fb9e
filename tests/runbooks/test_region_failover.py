"""Moving a cluster's name to the recovery region and back: what forbids it, its phases, and that nothing is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, OpsError
from quartermaster.fleet.events import StepFinished
from quartermaster.fleet.hosts import Group
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.execute import Aborted
from quartermaster.runbooks.plan import DrillPlan
from tests.runbooks.rehearsal import cut_short, finish, finished
from tests.runbooks.world import MONDAY, FakeWorld, a_fleet, a_group

THERE = "eu-central-1"
AWS = "{dev: {target: aws, account: '123456789012', state: 's3://x'}}"


@dataclass
class Light(FakeWorld):
    """A region whose hosts launch, and serve 20 s later; a name that needs 5 s to lead elsewhere."""

    region: str = THERE
    asleep: Group | None = field(default_factory=lambda: replace(a_group(0), name="shop-dev-recovery-web", min=0))
    checked: str = "check-1"
    is_inverted: bool = False
    flipped_at: Any = MONDAY
    grown_at: Any = None
    size: int = 0
    broken: bool = False
    """Does the other region answer nobody?"""
    resized: list[int] = field(default_factory=list)

    def group(self, cluster: str) -> Group:
        return super().group(cluster)

    def since(self, at: Any) -> float:
        return (self.now() - at).total_seconds() if at is not None else 0.0

    def there(self) -> Group | None:
        if self.asleep is None:
            return None
        health = "healthy" if self.since(self.grown_at) >= 20 else "initial"
        hosts = tuple(replace(host, health=health) for host in a_group(self.size).hosts)
        return replace(self.asleep, min=self.size, desired=self.size, hosts=hosts)

    def resize(self, group: Group, floor: int) -> None:
        self.resized.append(floor)
        self.size, self.grown_at = floor, self.now()

    def name(self, cluster: str) -> str:
        return "www.shop.example"

    def check(self, cluster: str) -> str:
        return self.checked

    def inverted(self, cluster: str) -> bool:
        return self.is_inverted

    def lead_away(self, cluster: str, *, away: bool) -> None:
        assert away != self.is_inverted, "a name is led away once"
        self.is_inverted, self.flipped_at = away, self.now()

    def leads(self, cluster: str) -> str:
        arrived = self.since(self.flipped_at) >= 5
        return "there" if self.is_inverted is arrived else "here"

    def answers(self, cluster: str) -> str:
        return "503" if self.broken and self.leads(cluster) == "there" else "200"


class _Pilot:
    """The region's face of the small world, whose own ``group`` is the one here."""

    def __init__(self, world: Light) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def group(self, cluster: str) -> Group | None:
        return self._world.there()


def hands(world: Light) -> Hands:
    return Hands(hosts=world, faults=world, clock=world, counter=world, pilot=_Pilot(world))


def two_regions(**more: str) -> Fleet:
    return a_fleet(
        region="eu-west-1", recovery_region=THERE, network="{cidr: 10.20.0.0/16, recovery_cidr: 10.21.0.0/16}",
        recovery="{web: {region: {rto: 10m}}}", **more,
    )  # fmt: skip


def a_plan(world: Light, fleet: Fleet | None = None, known: Hands | None = None) -> DrillPlan:
    fleet = fleet or two_regions()
    scene = drill.see("region_failover", "web", fleet, known or hands(world))
    return drill.plan("region_failover", "web", scene=scene, fleet=fleet, stack="dev", now=MONDAY)


def settled() -> Light:
    world = Light()
    world.sleep(60)
    return world


def test_the_other_region_grows_answers_and_sleeps_again(journal: Journal) -> None:
    world = settled()
    plan = a_plan(world)
    events, result = finish(drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world)))
    found = {event.step: event.detail["found"] for event in events if isinstance(event, StepFinished)}
    assert list(found) == ["steady_before", "grow", "complete", "flip", "flip_back", "sleep", "stays"]
    assert found["flip"] == "www.shop.example leads there and answers 200; 3 of 3 hosts serve there"
    assert result.rto_phases == {"act": 0.0, "converge": 20.0, "verify": 5.0}
    assert (result.restored, result.objective_met, result.scope, result.rpo_seconds) == (True, True, "region", None)
    assert (world.size, world.is_inverted, world.resized) == (0, False, [3, 0])
    assert result.requests["failed"] == 0


def test_a_region_that_answers_nobody_is_left_again(journal: Journal) -> None:
    world = settled()
    world.broken = True
    with pytest.raises(Aborted, match=r"leads_there\(3\) did not hold within 180 s: .* leads there and answers 503"):
        finish(drill.run(a_plan(world), journal=journal, leases=Leases(journal.engine), hands=hands(world)))
    assert (world.size, world.is_inverted, world.leads("web")) == (0, False, "here")


@pytest.mark.parametrize("step", ["grow", "complete", "flip", "flip_back", "sleep"])
def test_a_drill_that_died_leaves_no_host_there_and_the_name_here(journal: Journal, step: str) -> None:
    world = settled()
    events = drill.run(a_plan(world), journal=journal, leases=Leases(journal.engine), hands=hands(world))
    cut_short(events, finished(step))
    (row,) = drill.unfinished(journal)
    recovering = drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=hands(world))
    assert finish(recovering)[1].restored
    assert (world.size, world.is_inverted, world.leads("web")) == (0, False, "here")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"asleep": None}, "web has no group in eu-central-1"),
        ({"checked": ""}, "no health check leads the name of web away"),
        ({"is_inverted": True}, "the pilot light is not asleep: 0 hosts, name led away: True"),
        ({"size": 2}, "the pilot light is not asleep: 2 hosts"),
        ({"asleep": replace(a_group(0), max=2)}, "3 hosts serve web, and its group in eu-central-1 may have 2"),
    ],
)
def test_what_is_not_ready_is_named(changed: dict[str, Any], why: str) -> None:
    world = settled()
    for name, value in changed.items():
        setattr(world, name, value)
    with pytest.raises(GuardRefused, match=f"pilot_light: {why}"):
        a_plan(world).require()


@pytest.mark.parametrize(
    ("there", "text"),
    [
        (
            replace(a_group(0), max=2, min=0),
            "error: the world has moved since the plan: web may have 2 hosts there, 3 planned\n"
            "  remedy: plan anew: ops drill run region_failover web\n",
        ),
        (None, "error: web has no group in the recovery region any more\n  remedy: ops provision drift\n"),
    ],
)
def test_a_group_there_that_changed_since_the_plan_is_refused_with_what_to_do(
    there: Group | None, text: str, journal: Journal
) -> None:
    world = settled()
    plan = a_plan(world)
    world.asleep = there
    with pytest.raises(OpsError) as refused:
        finish(drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world)))
    assert (render(refused.value), world.resized) == (text, [])


def test_databases_stay_where_they_are_and_the_evidence_says_so(journal: Journal) -> None:
    fleet = a_fleet(databases="{orders: {}}", clusters="{web: {size: {min: 3, max: 9}, balancer: {}, uses: [orders]}}")
    world = settled()
    plan = a_plan(world, fleet)
    assert any("orders: not promoted, so no loss of data is measured" in line for line in plan.warnings)
    _, result = finish(drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world)))
    assert result.rpo_seconds is None
    assert any("orders: not promoted" in line for line in result.warnings)


def test_on_aws_it_is_refused_because_nothing_would_lead_the_name_back() -> None:
    world = settled()
    fleet = a_fleet(stacks=AWS, region="eu-west-1")
    plan = a_plan(world, fleet, replace(hands(world), pilot=None))
    with pytest.raises(GuardRefused, match="what leads a name to another region on AWS has no end that AWS keeps"):
        plan.require()
    assert "`ops` does not do it" in plan.document
