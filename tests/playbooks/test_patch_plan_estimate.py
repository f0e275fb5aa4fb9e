"""How long a cycle is expected to take, learned from earlier runs."""

from __future__ import annotations

import random
import statistics

import pytest

from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.playbooks.patch_estimate import Pace, timed
from quartermaster.playbooks.patch_plan import Estimate, Wave


def run(*seconds: float, drain: float = 35.0, reboot: float | None = None, state: str = "patched") -> list[Event]:
    """A run over one host for each number: half of it the upgrade, half the converge."""
    events: list[Event] = [StepStarted(step="patch", detail={"plan": {"drain_seconds": 30}})]
    for number, took in enumerate(seconds):
        host = f"i-{number}"
        parts = {"upgrade": took / 2, "converge": took / 2, "drain": drain}
        if reboot is not None:
            parts["reboot"] = reboot
        events += [StepFinished(step=step, host=host, seconds=span) for step, span in parts.items()]
        events.append(StepFinished(step="host", host=host, seconds=sum(parts.values()), detail={"state": state}))
    return events


def wave(hosts: int, number: int = 1) -> Wave:
    return Wave(number, "a", tuple(f"i-{n}" for n in range(hosts)), False, 9, None)


def took(pace: Pace, *hosts: int, soak: int = 0, reboots: bool = False, may: bool = False, more: int = 0) -> Estimate:
    waves = [wave(count) for count in hosts]
    return timed(
        waves, pace, drain_seconds=10, soak_seconds=soak, reboots=reboots, may_reboot=may, prescale=more
    )[1]  # fmt: skip


def test_a_host_takes_its_work_the_drain_declared_now_and_what_drains_took_beyond() -> None:
    assert took(Pace.of([run(20, 20, 20)]), 1).seconds == 10 + 5 + 20


def test_soak_and_every_wave_are_counted() -> None:
    pace = Pace.of([run(20, 20)])
    assert took(pace, 1, 1, soak=60).seconds == 2 * (10 + 5 + 20 + 60)


def test_reboots_are_counted_where_they_are_sure_and_bound_where_they_may_be() -> None:
    pace = Pace.of([run(20, 20, reboot=40)])
    assert took(pace, 1, reboots=True).seconds == took(pace, 1).seconds + 40
    maybe = took(pace, 1, may=True)
    assert (maybe.seconds, maybe.upper_seconds) == (35, 75)


def test_a_wave_lasts_as_long_as_its_slowest_host() -> None:
    draw = random.Random(6)
    seen = [draw.uniform(10, 50) for _ in range(400)]
    found = took(Pace.of([run(*seen, drain=30)]), 4)
    slowest = sorted(max(draw.choices(seen, k=4)) + 10 for _ in range(20_000))
    assert found.seconds == pytest.approx(statistics.median(slowest), rel=0.02)
    assert found.upper_seconds == pytest.approx(slowest[18_000], rel=0.02)


def test_hosts_added_first_have_to_be_launched() -> None:
    pace = Pace.of([run(20)])
    assert took(pace, 1, more=2).seconds == took(pace, 1).seconds + pace.launch


def test_without_earlier_runs_defaults_stand_in_and_are_named() -> None:
    found = took(Pace(), 2)
    assert (found.seconds, found.upper_seconds) == (10 + 10 + 60, 10 + 60 + 300)
    assert found.source.startswith("no earlier run: 60 s of work a host assumed")


def test_hosts_that_failed_and_runs_of_other_kinds_tell_nothing() -> None:
    other: list[Event] = [StepStarted(step="patch", detail={"plan": {"method": "replace"}}), *run(5)[1:]]
    assert Pace.of([run(500, state="rolled_back"), other, []]) == Pace()


def test_the_source_counts_runs_and_hosts() -> None:
    assert Pace.of([run(1, 2, reboot=9), run(3, reboot=9)]).source == "2 earlier runs, 3 hosts"
