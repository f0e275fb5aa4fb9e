"""A cycle over a fake world: order, failure, kill and resume."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Event, StepFailed, StepFinished, StepStarted, from_record, to_record
from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks import patch, patch_run
from quartermaster.playbooks.patch_host import Limits
from quartermaster.playbooks.patch_recover import recover
from quartermaster.playbooks.patch_result import PatchResult, outcome
from quartermaster.playbooks.patch_run import Tools
from tests.playbooks import fakes

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


class Bench:
    """A group of hosts, a plan for them, and what to carry it out with."""

    def __init__(self, count: int = 6, floor: int = 3, **patching: Any) -> None:
        found = fakes.group(count, floor=floor)
        self.before = found
        self.world = fakes.FakeWorld(found)
        self.machines = fakes.FakeMachines.of(found)
        self.counter = fakes.FakeCounter()
        self.pins = fakes.FakePins()
        self.asks = fakes.Asks()
        self.plan = patch.plan(found, fakes.fleet(**patching), fakes.surveys(found), NOW, drain_seconds=0)

    def tools(self) -> Tools:
        limits = Limits(drain_slack=0.2, health=0.1, healthy=0.2, replacement=0.2, poll=0.01)
        world, machines = self.world, self.machines
        return Tools(world, machines, self.counter, pins=self.pins, asked=self.asks, limits=limits)

    def run(self) -> Iterator[Event]:
        return patch_run.run(self.plan, "patch-1", self.tools())

    def result(self) -> PatchResult:
        return outcome(self.run(), run="patch-1")

    def as_before(self) -> bool:
        return replace(self.world.now, hosts=()) == replace(self.before, hosts=())


def test_every_host_is_patched_and_the_group_is_as_before() -> None:
    bench = Bench()
    result = bench.result()
    assert result.state == "done"
    assert {host.state for host in result.hosts} == {"patched"}
    assert {machine.upgrades for machine in bench.machines.values()} == {1}
    assert bench.world.now == bench.before


def test_the_result_has_the_contract_s_keys() -> None:
    document = Bench().result().to_json()
    assert {"hosts", "state", "requests", "run"} <= document.keys()
    first = document["hosts"][0]
    assert {"id", "zone", "state", "from", "to", "seconds"} <= first.keys()
    assert (first["from"], first["to"]) == ("shop-page=1.0", "shop-page=2.0")
    assert document["requests"]["failed"] == 0 and document["requests"]["sent"] > 0


def test_one_zone_at_a_time_and_never_fewer_than_planned() -> None:
    bench = Bench(6, wave="100%")
    for wave in bench.plan.waves:  # else the first host of a wave may be done before the second begins
        together = threading.Barrier(len(wave.hosts), timeout=120)
        for host in wave.hosts:
            bench.machines[host].meets = together
    list(bench.run())
    assert bench.world.fewest == min(wave.left for wave in bench.plan.waves)


def test_nothing_is_done_before_its_event_is_taken() -> None:
    bench = Bench()
    for event in bench.run():
        if isinstance(event, StepStarted) and event.step == "standby":
            assert f"standby {event.host}" not in bench.world.acts
        if isinstance(event, StepStarted) and event.step == "upgrade":
            assert bench.machines[event.host].upgrades == 0


def test_the_floor_is_put_back_with_its_prior_value_in_the_journal() -> None:
    bench = Bench(3, floor=3)
    started = [event for event in bench.run() if isinstance(event, StepStarted) and event.step == "floor"]
    assert started[0].undo == {"min": 3}
    assert bench.as_before()


def test_a_reboot_happens_once_where_it_is_required() -> None:
    bench = Bench()
    bench.machines["i-2"].reboot_required = True
    list(bench.run())
    assert {name: machine.boots for name, machine in bench.machines.items() if machine.boots} == {"i-2": 1}


def test_a_bad_package_is_rolled_back_at_the_canary_and_goes_no_further() -> None:
    bench = Bench()
    for machine in bench.machines.values():
        machine.breaks = ("health",)
    result = bench.result()
    assert result.state == "failed"
    assert sorted(host.state for host in result.hosts) == ["pending"] * 5 + ["rolled_back"]
    assert {machine.version for machine in bench.machines.values()} == {"1.0"}
    assert bench.world.now == bench.before


def test_a_host_that_cannot_go_back_is_left_drained_and_named() -> None:
    bench = Bench(canary=0)
    bench.machines["i-0"].breaks = ("health", "rollback")
    result = bench.result()
    drained = [host for host in result.hosts if host.state == "drained"]
    assert [host.id for host in drained] == ["i-0"] and "rollback" in drained[0].why
    assert [host.state for host in result.hosts if host.id != "i-0"] == ["patched"] * 5
    assert bench.world.now.suspended == ()


def test_the_budget_of_failures_ends_the_cycle() -> None:
    bench = Bench(canary=0, max_failures=1)
    for machine in bench.machines.values():
        machine.breaks = ("health",)
    states = [host.state for host in bench.result().hosts]
    assert sorted(states) == ["pending"] * 4 + ["rolled_back"] * 2


def test_a_host_that_fails_before_it_is_touched_goes_back_unpatched() -> None:
    bench = Bench(canary=0)
    bench.machines["i-0"].breaks = ("save",)
    result = bench.result()
    assert [host.state for host in result.hosts if host.id == "i-0"] == ["failed"]
    assert all(host.serving for host in bench.world.now.hosts)


def test_missing_counts_shut_the_gate() -> None:
    bench = Bench()
    bench.counter.each = None
    result = bench.result()
    assert result.state == "failed"
    assert [host.state for host in result.hosts].count("patched") == 1


def test_failing_requests_shut_the_gate() -> None:
    bench = Bench()
    bench.counter.each = Requests(1000, 50)
    gate = [event for event in bench.run() if isinstance(event, StepFailed)]
    assert "requests failed" in gate[0].error


def test_a_group_that_moved_since_the_plan_is_refused_untouched() -> None:
    bench = Bench()
    bench.world.now = replace(bench.before, hosts=bench.before.hosts[1:])
    with pytest.raises(GuardRefused, match="is gone"):
        list(bench.run())
    assert bench.world.acts == []


def test_the_window_s_end_stops_before_the_next_wave() -> None:
    bench = Bench()
    bench.plan = replace(bench.plan, ends_at=datetime(2020, 1, 1, tzinfo=UTC))
    result = bench.result()
    assert (result.state, {host.state for host in result.hosts}) == ("stopped", {"pending"})
    assert bench.world.now == bench.before


LENGTH = len(list(Bench(3, canary=1).run()))


@pytest.mark.parametrize("kill_at", range(1, LENGTH + 1))
def test_after_a_kill_at_any_boundary_resume_finishes_and_patches_nobody_twice(kill_at: int) -> None:
    bench = Bench(3, canary=1)
    for machine in bench.machines.values():
        machine.reboot_required = True
    journal = [from_record(to_record(event)) for event in fakes.until(bench.run(), kill_at)]
    done = {(event.host, event.step) for event in journal if event.host and isinstance(event, StepFinished)}
    again = list(patch_run.resume(list(journal), "patch-1", bench.tools()))
    asked = {(event.host, event.step) for event in again if isinstance(event, StepStarted)}
    assert not [step for step in done & asked if step[1] in ("upgrade", "reboot", "standby", "host")]
    journal += again
    result = outcome(journal, run="patch-1")
    assert (result.state, {host.state for host in result.hosts}) == ("done", {"patched"})
    assert {machine.upgrades for machine in bench.machines.values()} == {1}
    assert {machine.boots for machine in bench.machines.values()} == {1}
    assert bench.world.now == bench.before


@pytest.mark.parametrize("kill_at", range(1, LENGTH + 1))
def test_after_a_kill_at_any_boundary_recover_leaves_the_group_as_before(kill_at: int) -> None:
    bench = Bench(3, canary=1)
    journal = fakes.until(bench.run(), kill_at)
    journal += recover(list(journal), world=bench.world, machines=bench.machines)
    assert bench.world.now == bench.before
    assert all(host.state in ("patched", "pending") for host in outcome(journal, run="patch-1").hosts)


def test_a_rollback_that_was_cut_off_is_finished_by_resume() -> None:
    bench = Bench(3)
    for machine in bench.machines.values():
        machine.breaks = ("health",)
    events = bench.run()
    journal: list[Event] = []
    for event in events:
        journal.append(event)
        if event.step == "rollback" and isinstance(event, StepStarted):
            break
    events.close()  # type: ignore[attr-defined]
    for machine in bench.machines.values():
        machine.breaks = ()  # that it would pass now does not make the package good
    again = list(patch_run.resume(list(journal), "patch-1", bench.tools()))
    result = outcome([*journal, *again], run="patch-1")
    assert "upgrade" not in {event.step for event in again}
    assert sorted(host.state for host in result.hosts) == ["pending", "pending", "rolled_back"]


def test_a_finished_run_resumed_touches_nobody() -> None:
    bench = Bench(3)
    journal = list(bench.run())
    bench.world.acts.clear()
    again = list(patch_run.resume(journal, "patch-1", bench.tools()))
    assert {machine.upgrades for machine in bench.machines.values()} == {1}
    assert not [act for act in bench.world.acts if act.startswith("standby")]
    assert isinstance(again[-1], StepFinished)
