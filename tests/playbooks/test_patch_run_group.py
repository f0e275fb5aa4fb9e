"""What a run does to the group for its time: hosts added, pins for new ones; and how it grows with the hosts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, OpsError, Stopped
from quartermaster.fleet.events import Event, Noted, StepFailed, StepStarted, from_record, to_record
from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks import patch_run
from quartermaster.playbooks.patch_recover import recover
from quartermaster.playbooks.patch_result import outcome
from quartermaster.playbooks.together import AT_ONCE
from tests.playbooks import fakes
from tests.playbooks.test_patch_run import Bench


def grown(count: int = 3, more: int = 1, **patching: Any) -> Bench:
    bench = Bench(count, **patching)
    bench.plan = replace(bench.plan, prescale=more)
    return bench


def steps(events: Iterator[Event] | list[Event], kind: type[Event] = StepStarted) -> list[str]:
    return [event.step for event in events if isinstance(event, kind)]


def test_hosts_are_added_before_the_first_wave_and_go_by_name_at_the_end() -> None:
    bench = grown(more=2)
    events = list(bench.run())
    came = next(event.detail["hosts"] for event in events if event.step == "prescale" and event.kind == "finished")
    assert bench.world.fewest >= 3  # not one fewer than before
    assert steps(events).index("prescale") < steps(events).index("standby")
    assert {f"terminate {host}" for host in came} == {act for act in bench.world.acts if act.startswith("terminate")}
    assert bench.world.now == bench.before
    assert outcome(events, run="patch-1").state == "done"


def test_a_host_that_the_group_launched_meanwhile_stays() -> None:
    bench, added = grown(), ""
    for event in bench.run():
        if event.step == "prescale" and event.kind == "finished":
            (added,) = event.detail["hosts"]
        if event.step == "pins" and event.kind == "finished":
            bench.world.hold(5)  # by a scaling policy, say
    came = {host.id for host in bench.world.now.hosts} - {host.id for host in bench.before.hosts}
    assert (bench.world.now.desired, len(came)) == (4, 1)
    assert [act for act in bench.world.acts if act.startswith("terminate")] == [f"terminate {added}"]


def test_hosts_that_do_not_come_refuse_the_run_and_the_group_is_as_before() -> None:
    bench = grown()
    bench.world.launches = False
    with pytest.raises(GuardRefused, match="0 of 1 added") as refused:
        list(bench.run())
    assert refused.value.remedy == "see why hosts of shop-dev-web do not come up, then run again"
    assert bench.world.now == bench.before
    assert not [act for act in bench.world.acts if act.startswith("standby")]


def test_more_than_max_is_refused_before_anything_is_asked_for() -> None:
    bench = grown(more=10)
    with pytest.raises(GuardRefused) as refused:
        list(bench.run())
    assert render(refused.value) == (
        "error: 10 host(s) more than 3 are above the max 12 of shop-dev-web\n"
        "  remedy: raise size.max, or wait for an hour with less demand\n"
    )
    assert not [act for act in bench.world.acts if act.startswith("hold")]


LENGTH = len(list(grown().run()))


@pytest.mark.parametrize("kill_at", range(1, LENGTH + 1))
def test_after_a_kill_at_any_boundary_resume_leaves_no_added_host(kill_at: int) -> None:
    bench = grown()
    journal = [from_record(to_record(event)) for event in fakes.until(bench.run(), kill_at)]
    journal += patch_run.resume(list(journal), "patch-1", bench.tools())
    assert outcome(journal, run="patch-1").state == "done"
    assert bench.world.now == bench.before
    assert bench.pins.now == {"older": "0.9", "shop-page": "2.0"}


@pytest.mark.parametrize("kill_at", range(1, LENGTH))
def test_after_a_kill_at_any_boundary_recover_leaves_neither_added_host_nor_pins(kill_at: int) -> None:
    bench = grown()
    journal = [from_record(to_record(event)) for event in fakes.until(bench.run(), kill_at)]
    tools = bench.tools()
    list(recover(journal, world=tools.world, machines=tools.machines, pins=tools.pins, limits=tools.limits))
    assert bench.world.now == bench.before
    assert bench.pins.now == {"older": "0.9"}


def test_new_hosts_are_pinned_to_what_the_canary_came_to_before_the_first_wave() -> None:
    bench = Bench()
    for event in bench.run():
        if isinstance(event, StepStarted) and event.step == "upgrade":
            patched = sum(machine.upgrades for machine in bench.machines.values())
            assert ("shop-page" in bench.pins.now) is (patched > 0)
    assert bench.pins.written == [{"older": "0.9", "shop-page": "2.0"}]


def test_a_failed_canary_pins_nothing() -> None:
    bench = Bench()
    for machine in bench.machines.values():
        machine.breaks = ("health",)
    list(bench.run())
    assert bench.pins.written == []


def test_a_cycle_that_fails_later_takes_its_pins_back() -> None:
    bench = Bench(max_failures=0)
    for machine in bench.machines.values():
        machine.breaks = ("health",) if machine.id != bench.plan.waves[0].hosts[0] else ()
    assert bench.result().state == "failed"
    assert bench.pins.written == [{"older": "0.9", "shop-page": "2.0"}, {"older": "0.9"}]


def test_recovering_a_host_of_a_cycle_that_ended_leaves_its_pins() -> None:
    bench = Bench(canary=1, max_failures=1)
    bench.world.launches = False
    last = bench.plan.waves[-1].hosts[-1]
    bench.machines[last].breaks = ("health", "rollback")
    journal = list(bench.run())
    assert outcome(journal, run="patch-1").state == "failed"
    tools = bench.tools()
    list(recover(journal, world=tools.world, machines=tools.machines, pins=tools.pins, limits=tools.limits))
    assert "shop-page" in bench.pins.now


def test_the_result_says_why_it_ended() -> None:
    bench = Bench()
    bench.asks = fakes.Asks("pause", 2)
    assert bench.result().to_json()["why"] == "paused by hand"


def test_the_gate_stays_shut_for_slow_answers() -> None:
    bench = Bench()
    begun = bench.run()
    for event in begun:
        if event.step == "preflight" and event.kind == "finished":
            bench.counter.each = Requests(1000, 0, 90.0)
        if isinstance(event, StepFailed) and event.step == "gate:1":
            assert "answers took 90 ms" in event.error
            break
    else:
        raise AssertionError("no gate was shut")


def test_probes_that_fail_before_anything_is_touched_refuse_the_run() -> None:
    bench = Bench()
    tools = replace(bench.tools(), probe=lambda count: Requests(count, 1, 1.0))
    with pytest.raises(GuardRefused) as refused:
        list(patch_run.run(bench.plan, "patch-1", tools))
    assert render(refused.value) == (
        "error: the group is no longer as planned: 1 of 50 probes failed through the balancer\n"
        "  remedy: mend that, then plan again\n"
    )
    assert bench.world.acts == []


def test_a_refresh_that_began_since_the_plan_refuses_run_and_resume() -> None:
    bench = Bench()
    journal = fakes.until(bench.run(), 12)
    bench.world.refreshing = True
    bench.world.acts.clear()
    with pytest.raises(GuardRefused, match="instance refresh"):
        list(bench.run())
    with pytest.raises(Stopped) as stopped:  # and can be resumed later
        list(patch_run.resume(journal, "patch-1", bench.tools()))
    assert render(stopped.value) == (
        "error: an instance refresh of shop-dev-web is running\n  remedy: wait for its end, then resume\n"
    )
    assert bench.world.acts == []


def test_a_cloud_that_refuses_half_way_leaves_a_run_that_can_be_taken_up() -> None:
    bench = Bench(3)
    refusing = False

    class Refusing(fakes.FakeWorld):
        def resume(self, processes: Any) -> None:
            if refusing:
                raise OpsError("throttled")
            super().resume(processes)

        def group(self) -> Any:
            if refusing:
                raise OpsError("throttled")
            return super().group()

    bench.world = Refusing(bench.before)
    journal: list[Event] = []
    with pytest.raises(Stopped, match="not all back: throttled"):
        for event in bench.run():
            journal.append(event)
            refusing = refusing or (isinstance(event, Noted) and event.zone == bench.plan.waves[1].zone)
    refusing = False
    journal += patch_run.resume(list(journal), "patch-1", bench.tools())
    assert outcome(journal, run="patch-1").state == "done"
    assert bench.world.now == bench.before


def test_reads_and_events_grow_with_the_hosts_and_threads_do_not() -> None:
    reads, events, threads = {}, {}, 0
    for count in (30, 60, 120):
        bench = Bench(count, floor=0, wave="100%")
        told = 0
        for _ in bench.run():
            told += 1
            threads = max(threads, sum(thread.name.startswith("job-") for thread in threading.enumerate()))
        reads[count], events[count] = bench.world.reads, told
    for seen in (reads, events):
        assert seen[120] - seen[60] <= 2.2 * (seen[60] - seen[30])
    assert threads == AT_ONCE  # of 40 hosts in a wave
