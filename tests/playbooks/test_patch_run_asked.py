"""A run that somebody wants paused or aborted: at whatever moment they say so, nothing is left half-way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from quartermaster.fleet.events import StepFailed
from quartermaster.playbooks import patch_run
from quartermaster.playbooks.patch_result import outcome
from tests.playbooks import fakes
from tests.playbooks.test_patch_run import Bench

QUESTIONS = 25


def asked(word: str, after: int, count: int = 6) -> Bench:
    bench = Bench(count, wave=2)
    bench.asks = fakes.Asks(word, after)
    return bench


@pytest.mark.parametrize("after", range(QUESTIONS))
def test_a_paused_run_is_put_back_and_resume_does_the_rest(after: int) -> None:
    bench = asked("pause", after)
    journal = list(bench.run())
    result = outcome(journal, run="patch-1")
    states = Counter(host.state for host in result.hosts)
    assert set(states) <= {"patched", "pending"}
    assert result.state == ("stopped" if states["pending"] else "done")
    assert bench.world.now == bench.before
    bench.asks = fakes.Asks()
    journal += patch_run.resume(list(journal), "patch-1", bench.tools())
    assert outcome(journal, run="patch-1").state == "done"
    assert {machine.upgrades for machine in bench.machines.values()} == {1}
    assert bench.world.now == bench.before
    assert "shop-page" in bench.pins.now


@pytest.mark.parametrize("after", range(QUESTIONS))
def test_an_aborted_run_finishes_the_hosts_under_work_and_takes_its_pins_back(after: int) -> None:
    bench = asked("abort", after)
    result = bench.result()
    pending = [host for host in result.hosts if host.state == "pending"]
    assert result.state == ("aborted" if pending else "done")
    assert bench.world.now == bench.before
    assert all(host.serving for host in bench.world.now.hosts)
    assert ("shop-page" in bench.pins.now) is (result.state == "done")


def test_the_questions_reach_from_the_first_host_to_the_end_of_the_run() -> None:
    first, last = asked("pause", 0), asked("pause", QUESTIONS - 1)
    assert {host.state for host in first.result().hosts} == {"pending"}
    assert last.result().state == "done"


def test_no_host_of_a_wave_starts_after_the_word() -> None:
    bench = asked("pause", 0, count=30)
    bench.plan = replace(bench.plan, waves=(replace(bench.plan.waves[0], hosts=tuple(bench.machines)[1:]),))
    bench.asks = fakes.Asks("pause", 5)
    states = Counter(host.state for host in bench.result().hosts)
    assert 0 < states["patched"] <= 5 and states["pending"] >= 25


def test_a_soak_ends_at_the_word() -> None:
    bench = asked("pause", 0)
    bench.plan = replace(bench.plan, soak_seconds=3600)
    slept: list[float] = []

    class Clock:
        def now(self) -> datetime:
            return datetime(2026, 11, 22, 2, 0, tzinfo=UTC) + timedelta(seconds=sum(slept))

        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                bench.asks.word = "pause"
                bench.asks.after = 0

    bench.asks = fakes.Asks()
    tools = replace(bench.tools(), clock=Clock())
    events = list(patch_run.run(bench.plan, "patch-1", tools))
    assert len(slept) == 3
    assert [event.error for event in events if isinstance(event, StepFailed)] == ["paused by hand in the soak"]
    assert outcome(events, run="patch-1").state == "stopped"


def test_a_resumed_run_goes_by_the_window_that_is_open_now() -> None:
    bench = Bench(3)
    bench.plan = replace(bench.plan, ends_at=datetime(2020, 1, 1, tzinfo=UTC))
    journal = list(bench.run())
    assert outcome(journal, run="patch-1").state == "stopped"
    again = [*journal, *patch_run.resume(journal, "patch-1", bench.tools(), ends_at=bench.plan.ends_at)]
    assert outcome(again, run="patch-1").state == "stopped"
    later = datetime.now(UTC) + timedelta(hours=1)
    again += patch_run.resume(again, "patch-1", bench.tools(), ends_at=later)
    assert outcome(again, run="patch-1").state == "done"
