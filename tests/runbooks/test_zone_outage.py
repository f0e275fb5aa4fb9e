"""A zone is cut off and healed: each that it hits recovers in its own time; whatever happens, the zone comes back."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, OpsError
from quartermaster.fleet.events import StepFinished
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks import drill
from quartermaster.runbooks.case import Demand, Known
from quartermaster.runbooks.document import PHASES, parse
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.plan import DrillPlan
from tests.runbooks.rehearsal import Events, boundary, cut_short, finish, finished
from tests.runbooks.world import MONDAY, ZONES, a_group
from tests.runbooks.zone_world import (
    GIVEN_UP,
    HEALTHY,
    IN_SERVICE,
    LAUNCHED,
    NOTICED,
    RDS_MOVED,
    RDS_NOTICED,
    ZoneWorld,
    a_database,
    a_plan,
    fleet,
    hands,
)

OBJECTIVES = "{web: {zone: {rto: 2m}}, orders: {zone: {rto: 29s, rpo: 0s}}}"
BOUNDARIES = 16
"""Started and finished of eight steps."""


def start(plan: DrillPlan, world: ZoneWorld, journal: Journal, *, writes: bool = False) -> Events:
    return drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world, writes=writes))


def recover(world: ZoneWorld, journal: Journal, run: str) -> DrillResult:
    leases = Leases(journal.engine)
    return finish(drill.recover(journal.run(run), journal=journal, leases=leases, hands=hands(world, writes=True)))[1]


def assert_whole(world: ZoneWorld) -> None:
    hosts = world.group("web").hosts
    assert sorted(host.zone for host in hosts) == sorted(host.zone for host in world.before.hosts)
    assert all(host.serving for host in hosts)
    assert world.state_of(world.instant).whole
    assert (world.cut_at is None) == (world.healed_at is None)


def verdict(plan: DrillPlan, guard: str) -> str:
    return next(item.verdict for item in plan.guards if item.name == guard)


def test_each_subject_recovers_in_its_own_time(journal: Journal) -> None:
    world = ZoneWorld()
    plan = a_plan(world, fleet=fleet(recovery=OBJECTIVES))
    _, result = finish(start(plan, world, journal))
    assert (plan.zone, plan.loss.databases, plan.loss.hosts) == (ZONES[0], ("orders",), ("i-0", "i-3"))
    near = plan.poll_seconds
    # The truth is known here; of the whole, each phase ends with the slower of the two.
    truth = (NOTICED, GIVEN_UP - NOTICED, RDS_MOVED - GIVEN_UP, IN_SERVICE - RDS_MOVED, HEALTHY - IN_SERVICE)
    assert result.rto_phases == pytest.approx(dict(zip(PHASES, truth, strict=True)), abs=near)
    web, orders = (result.detail["subjects"][name] for name in ("web", "orders"))
    truth = (NOTICED, GIVEN_UP - NOTICED, LAUNCHED - GIVEN_UP, IN_SERVICE - LAUNCHED, HEALTHY - IN_SERVICE)
    assert web["rto_phases"] == pytest.approx(dict(zip(PHASES, truth, strict=True)), abs=near)
    assert (web["rto_seconds"], orders["rto_seconds"]) == (
        pytest.approx(HEALTHY, abs=near),
        pytest.approx(RDS_MOVED, abs=near),
    )
    assert orders["rto_phases"]["detect"] == pytest.approx(RDS_NOTICED, abs=near)
    assert (web["objective_met"], orders["objective_met"], result.objective_met) == (True, False, True)
    assert result.touched == ("i-0", "i-3", "orders")
    assert_whole(world)


def test_requests_fail_only_until_the_balancer_leaves_the_zone_out(journal: Journal) -> None:
    world = ZoneWorld()
    _, result = finish(start(a_plan(world), world, journal))
    assert result.failing_seconds == pytest.approx((0, NOTICED), abs=1)
    assert result.requests["failed"] == pytest.approx(NOTICED * 40 / 3, abs=20)
    assert result.slowest_ms == 40


def test_writes_that_were_confirmed_and_are_there_make_an_rpo_of_nothing(journal: Journal) -> None:
    world = ZoneWorld()
    plan = a_plan(world, fleet=fleet(recovery="{orders: {zone: {rto: 2m, rpo: 0s}}}"))
    _, result = finish(start(plan, world, journal, writes=True))
    assert result.rpo_seconds == 0
    assert result.detail["writes"]["orders"]["confirmed_and_lost"] == 0
    assert result.detail["subjects"]["orders"]["objective_met"] is True
    assert world.tables == []


def test_an_rpo_that_nobody_measured_is_not_met(journal: Journal) -> None:
    world = ZoneWorld()
    plan = a_plan(world, fleet=fleet(recovery="{orders: {zone: {rto: 2m, rpo: 0s}}}"))
    _, result = finish(start(plan, world, journal))
    assert result.rpo_seconds is None
    assert result.detail["subjects"]["orders"]["objective_met"] is False


@pytest.mark.parametrize("number", range(1, BOUNDARIES + 1))
def test_a_kill_at_every_boundary_of_the_journal_is_put_right(journal: Journal, number: int) -> None:
    world = ZoneWorld()
    events = start(a_plan(world), world, journal)
    cut_short(events, boundary(number))
    (row,) = journal.runs()
    gc.collect(1)
    assert [item.id for item in drill.unfinished(journal)] == [row.id]
    assert recover(world, journal, row.id).restored
    assert_whole(world)
    assert journal.run(row.id).state == "recovered"
    assert Leases(journal.engine).held() == []


def test_recover_before_the_cut_touches_nothing_and_twice_is_once(journal: Journal) -> None:
    world = ZoneWorld()
    events = start(a_plan(world), world, journal)
    next(events)
    events.close()
    run = journal.runs()[0].id
    recover(world, journal, run)
    assert (world.cut_at, world.heals) == (None, 0)


@pytest.mark.parametrize(
    ("share", "slow", "why"),
    [
        (0.9, 20.0, "requests failed, more than the 58%"),
        (0.3, 20.0, r"left_out\(eu-west-1a\) did not hold within 150 s"),
    ],
)
def test_what_goes_on_too_long_or_hurts_too_much_is_healed_at_once(
    journal: Journal, share: float, slow: float, why: str
) -> None:
    world = ZoneWorld(failed_share=share, slow=slow)
    with pytest.raises(OpsError, match=f"aborted and healed: .*{why}"):
        finish(start(a_plan(world), world, journal))
    assert world.heals == 1
    assert_whole(world)
    (row,) = journal.runs()
    assert row.result is not None
    assert (row.state, row.result["restored"], row.result["rto_seconds"]) == ("failed", True, None)


def test_ctrl_c_heals_before_it_ends(journal: Journal) -> None:
    world = ZoneWorld()

    def interrupt(found: ZoneWorld) -> None:
        if found.cut_at is not None and found.healed_at is None:
            raise KeyboardInterrupt

    world.on_sleep = interrupt
    with pytest.raises(OpsError, match="aborted and healed: KeyboardInterrupt"):
        finish(start(a_plan(world), world, journal))
    assert_whole(world)


def test_a_world_that_moved_since_the_plan_is_not_touched(journal: Journal) -> None:
    world = ZoneWorld()
    plan = a_plan(world)
    events = start(plan, world, journal)
    for event in events:
        if isinstance(event, StepFinished):
            hosts = tuple(h for h in world.before.hosts if h.id != "i-1")
            world.before = replace(world.before, hosts=hosts)
            break
    with pytest.raises(OpsError) as refused:
        finish(events)
    assert render(refused.value) == (
        "error: the world has moved since the plan: 3 hosts of web serve outside eu-west-1a, planned were 4\n"
        "  remedy: plan anew: ops drill run zone_outage web\n"
    )
    assert world.cut_at is None


def test_a_document_with_another_zone_in_it_cuts_off_nothing(journal: Journal) -> None:
    world = ZoneWorld()
    plan = a_plan(world)
    edited = replace(plan, document=plan.document.replace(f"fail_zone({ZONES[0]})", f"fail_zone({ZONES[2]})"))
    with pytest.raises(OpsError, match="asked for eu-west-1c, planned was eu-west-1a"):
        finish(start(edited, world, journal))
    assert world.cut_at is None


def test_the_zone_with_the_primary_is_chosen_and_json_gives_the_plan_back() -> None:
    plan = a_plan(ZoneWorld(state=a_database(zone=ZONES[2], standby_zone=ZONES[0])))
    assert plan.zone == ZONES[2]
    assert "holds 1 primaries of what it uses and 2 of its hosts" in plan.loss.why
    assert DrillPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.scopes == ("dev/cluster/web", "dev/database/orders", f"dev/zone/{ZONES[2]}")


def test_zones_without_a_primary_take_turns() -> None:
    world = ZoneWorld()
    zones = {
        a_plan(world, fleet=fleet(databases="{}", clusters="{web: {size: {min: 6, max: 9}}}"), now=day).zone
        for day in (MONDAY + timedelta(days=n) for n in range(14))
    }
    assert zones == set(ZONES)


@pytest.mark.parametrize(
    ("per_second", "expected"),
    # By hand: 4 hosts left, each 100/s at 0.6, so 141.7/s at 0.85; four carry 566.
    [(560, "holds"), (570, "refused")],
)
def test_what_is_left_must_carry_the_demand(per_second: float, expected: str) -> None:
    known = Known({"web": Demand(per_second, 100)}, ())
    assert verdict(a_plan(ZoneWorld(), known=known), "capacity") == expected


def test_a_cluster_in_one_zone_only_is_never_cut_off() -> None:
    heaped = replace(a_group(6), hosts=tuple(replace(host, zone=ZONES[0]) for host in a_group(6).hosts))
    with pytest.raises(GuardRefused, match="none of 6 hosts of web would be left"):
        a_plan(ZoneWorld(before=heaped)).require()


@pytest.mark.parametrize(
    ("changed", "guard", "expected"),
    [
        ({}, "backup", "holds"),
        ({"restorable_to": None}, "backup", "unknown"),
        ({"restorable_to": MONDAY - timedelta(hours=2)}, "backup", "refused"),
        ({"multi_az": False, "standby_zone": ""}, "standby", "refused"),
        ({"standby_zone": ""}, "steady_state", "refused"),
        ({"status": "backing-up"}, "steady_state", "refused"),
    ],
)
def test_a_database_must_be_whole_and_recoverable(changed: dict[str, object], guard: str, expected: str) -> None:
    assert verdict(a_plan(ZoneWorld(state=a_database(**changed))), guard) == expected


@pytest.mark.parametrize(
    ("alarms", "expected"), [((), "holds"), (("shop-dev-web-errors",), "refused"), (None, "unknown")]
)
def test_nothing_is_cut_off_while_an_alarm_fires(alarms: tuple[str, ...] | None, expected: str) -> None:
    assert verdict(a_plan(ZoneWorld(), known=Known({}, alarms)), "alarms") == expected


def test_the_document_says_for_how_long_requests_may_fail() -> None:
    text = a_plan(ZoneWorld()).document
    assert "| Requests may fail for | 13 seconds" in text
    assert [step.phase for step in parse(text).steps if step.phase] == list(PHASES)


def test_what_a_run_measured_before_it_was_killed_stands_after_it_is_recovered(journal: Journal) -> None:
    world = ZoneWorld()
    events = start(a_plan(world, fleet=fleet(recovery=OBJECTIVES)), world, journal)
    cut_short(events, finished("stays"))
    result = recover(world, journal, journal.runs()[0].id)
    subjects = result.detail["subjects"]
    assert [subjects[name]["rto_seconds"] is None for name in ("web", "orders")] == [False, False]
    assert result.rto_seconds == pytest.approx(HEALTHY, abs=1)
    assert result.requests["failed"] == pytest.approx(NOTICED * 40 / 3, abs=20)
    assert result.failed == "the drill was interrupted"
