"""The drill against a small world: phases, evidence, stop conditions, healing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, LeaseHeld, LeaseLost, OpsError
from quartermaster.fleet.events import StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks import drill
from quartermaster.runbooks.document import PHASES, parse
from quartermaster.runbooks.evidence import DrillResult
from tests.runbooks.rehearsal import a_plan, assert_whole, finish, recover, start
from tests.runbooks.world import FakeWorld, a_group


def test_the_phases_add_up_to_the_time_from_the_fault(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world, recovery="{web: {zone: {rto: 5m}}}")
    _, result = finish(start(plan, world, journal))
    assert tuple(result.rto_phases) == PHASES
    assert sum(result.rto_phases.values()) == pytest.approx(result.rto_seconds, abs=1e-6)
    # The truth is known here: noticed 12 s, given up 20 s, launched 25 s, in service 60 s, healthy 70 s after it.
    truth = {"detect": 12, "decide": 8, "act": 5, "converge": 35, "verify": 10}
    assert result.rto_phases == pytest.approx(truth, abs=plan.poll_seconds)
    assert (result.objective_met, result.restored, result.failed) == (True, True, "")
    assert (result.evidence, result.rpo_seconds, result.target) == ("rehearsed", None, "local")
    assert_whole(world, plan)


def test_failed_requests_are_counted_from_before_the_fault_to_the_end(journal: Journal) -> None:
    world = FakeWorld(counts=(5000.0, 7.0))
    _, result = finish(start(a_plan(world), world, journal))
    assert result.requests["failed"] == pytest.approx(12 * 40 / 3, abs=40)
    assert result.requests["sent"] == pytest.approx(75 * 40, rel=0.1)


def test_an_objective_that_was_not_met_is_told(journal: Journal) -> None:
    world = FakeWorld()
    _, result = finish(start(a_plan(world, recovery="{web: {zone: {rto: 1m}}}"), world, journal))
    assert (result.rto_seconds, result.objective_met) == (70.0, False)


def test_without_an_objective_nothing_is_met(journal: Journal) -> None:
    world = FakeWorld()
    assert finish(start(a_plan(world), world, journal, counter=None))[1].objective_met is None


def test_the_steps_done_are_those_of_the_document(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    events, _ = finish(start(plan, world, journal))
    steps = parse(plan.document).steps
    assert [event.step for event in events if isinstance(event, StepStarted)] == [step.name for step in steps]
    assert all(event.step in {step.name for step in steps} for event in events)


def test_a_document_with_another_host_in_it_kills_nobody(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    other = next(host.id for host in plan.before.groups["web"].hosts if host.id != plan.host)
    edited = replace(plan, document=plan.document.replace(f"kill_host({plan.host})", f"kill_host({other})"))
    with pytest.raises(OpsError, match="the world has moved"):
        finish(start(edited, world, journal))
    assert not world.killed


def test_the_journal_has_the_step_before_the_host_dies(journal: Journal) -> None:
    world = FakeWorld()
    written: list[list[str]] = []

    class Witness(FakeWorld):
        def kill_host(self, host_id: str) -> None:
            (row,) = journal.runs(drill.RUN_KIND)
            written.append([recorded.event.step for recorded in journal.events(row.id)])

    witness = Witness()
    with pytest.raises(OpsError):
        finish(start(a_plan(world), world, journal, faults=witness))  # nobody dies, so detect runs out of time
    assert written == [["steady_before", "steady_before", "lose"]]


def test_a_refused_plan_touches_nothing_and_leaves_no_run(journal: Journal) -> None:
    world = FakeWorld(now_group=a_group(1))
    with pytest.raises(GuardRefused):
        finish(start(a_plan(world), world, journal))
    assert (world.killed, journal.runs()) == ({}, [])


def test_a_held_lease_touches_nothing(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    with Leases(journal.engine).hold([f"dev/zone/{plan.zone}"], run="patch-1"), pytest.raises(LeaseHeld):
        finish(start(plan, world, journal))
    assert not world.killed
    assert [row.state for row in journal.runs()] == ["failed"]


def test_a_lease_lost_on_the_way_stops_the_drill_and_leaves_it_to_recover(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    events = start(plan, world, journal)
    while not world.killed:
        next(events)
    Leases(journal.engine).break_scope("dev", reason="test")
    with pytest.raises(LeaseLost):
        finish(events)
    assert world.terminated == []
    (row,) = drill.unfinished(journal)
    assert recover(world, journal, row.id).restored


@pytest.mark.parametrize("how", ["gone", "unhealthy"])
def test_a_world_that_moved_since_the_plan_is_not_touched(journal: Journal, how: str) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    events = start(plan, world, journal)
    while getattr(next(events), "step", "") != "steady_before":
        pass
    hosts = tuple(
        replace(host, health="unhealthy") if host.id == plan.host else host for host in plan.before.groups["web"].hosts
    )

    def move(_: object) -> None:
        world.now_group = replace(
            plan.before.groups["web"],
            hosts=hosts if how == "unhealthy" else tuple(h for h in hosts if h.id != plan.host),
        )

    for event in events:
        if isinstance(event, StepFinished):
            move(event)  # between the steady state and the fault
            break
    with pytest.raises(OpsError, match="the world has moved since the plan"):
        finish(events)
    assert not world.killed
    (row,) = journal.runs()
    assert row.state == "failed"
    assert row.result is not None
    assert row.result["restored"]
    assert "the world has moved" in row.result["failed"]


def test_time_between_the_steps_belongs_to_the_recovery_time(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    events, whole = start(plan, world, journal), 0.0
    with pytest.raises(StopIteration) as end:
        while True:
            event = next(events)
            world.instant += timedelta(seconds=0.4)  # a slow terminal, a slow disk
            if event.step == "whole" and isinstance(event, StepFinished):
                whole = event.detail["seconds_since_fault"]
    result: DrillResult = end.value.value
    assert result.rto_seconds == pytest.approx(whole, abs=0.01)


def test_requests_that_go_on_failing_are_no_recovery(journal: Journal) -> None:
    world = FakeWorld()

    def trickle(_: FakeWorld) -> None:
        world.counts = (world.counts[0], world.counts[1] + 1)

    world.on_sleep = trickle
    with pytest.raises(OpsError, match=r"aborted and healed: stays\(i-\d, 5\) did not hold within 60 s"):
        finish(start(a_plan(world), world, journal))


HEALED = (
    r"^instance_loss of web was aborted and healed: stopped: \d+ of the last \d+ requests failed, more than the 58% "
    r"that the loss explains$"
)


def test_more_failures_than_one_host_explains_abort_and_heal(journal: Journal) -> None:
    world = FakeWorld(failed_share=0.9, noticed_after=100.0)
    plan = a_plan(world)
    with pytest.raises(OpsError, match=HEALED):
        finish(start(plan, world, journal))
    assert world.terminated == [plan.host]
    assert_whole(world, plan)
    (row,) = journal.runs()
    assert row.result is not None
    assert (row.state, row.result["restored"], row.result["rto_seconds"]) == ("failed", True, None)


def test_a_drill_that_is_not_whole_in_the_time_that_it_has_is_healed_and_says_so(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    plan = replace(plan, stops=replace(plan.stops, seconds=30))
    with pytest.raises(OpsError) as aborted:
        finish(start(plan, world, journal))
    assert render(aborted.value) == (
        "error: instance_loss of web was aborted and healed: stopped: not whole 30 s after the fault, the limit is "
        "30 s\n  remedy: all is as before; find the cause before the next drill\n"
    )
    assert_whole(world, plan)


def test_a_probe_that_does_not_hold_in_time_aborts_and_heals(journal: Journal) -> None:
    world = FakeWorld(noticed_after=10_000, given_up_after=10_000, launched_after=10_000)
    plan = a_plan(world, recovery="{web: {zone: {rto: 5m}}}")

    def let_the_group_wake_up(_: FakeWorld) -> None:
        if world.terminated:
            world.launched_after, world.in_service_after, world.healthy_after = 10_000, 10_010, 10_020

    world.on_sleep = let_the_group_wake_up
    with pytest.raises(OpsError, match=r"noticed\(i-\d\) did not hold within 120 s"):
        finish(start(plan, world, journal))
    assert_whole(world, plan)
    (row,) = journal.runs()
    assert row.result is not None
    assert (row.result["objective_met"], row.result["rto_phases"]) == (False, {})


def test_ctrl_c_heals_before_it_ends(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)

    def interrupt(_: FakeWorld) -> None:
        if world.killed and not world.terminated:
            raise KeyboardInterrupt

    world.on_sleep = interrupt
    with pytest.raises(OpsError, match="aborted and healed: KeyboardInterrupt"):
        finish(start(plan, world, journal))
    assert world.terminated == [plan.host]
    assert_whole(world, plan)


def test_a_new_host_that_falls_over_has_not_recovered(journal: Journal) -> None:
    world = FakeWorld(in_service_after=60, healthy_after=70)
    plan = a_plan(world)
    seen: list[str] = []
    events = start(plan, world, journal)
    with pytest.raises(OpsError, match="stays"):
        for event in events:
            if isinstance(event, StepFinished):
                seen.append(event.step)
                if event.step == "whole":
                    world.healthy_after = 135  # it fails its health checks again, for longer than the step may take
    assert seen[-1] == "heal"
    (row,) = journal.runs()
    assert row.result is not None and row.result["rto_seconds"] is None
