"""The next wave's packages are fetched while one is worked on, which changes nothing and fails nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import StepStarted
from quartermaster.playbooks.machine import HostTrouble, Saved
from quartermaster.playbooks.patch_ahead import Ahead
from quartermaster.playbooks.patch_past import Past
from quartermaster.playbooks.patch_run import run
from tests.playbooks import fakes
from tests.playbooks.test_patch_run import Bench


@dataclass
class Machine(fakes.FakeMachine):
    """Counts what it was asked to fetch, and fails at the first time where it is told to."""

    fails_at_first: bool = False
    saves: int = 0
    fetched: threading.Event = field(default_factory=threading.Event)
    closed: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    """It answers once this is set, as it is from the start."""

    def __post_init__(self) -> None:
        self.held.set()

    def save(self, run: str, pins: Mapping[str, str]) -> Saved:
        self.saves += 1
        self.fetched.set()
        assert self.held.wait(60)
        if self.fails_at_first and self.saves == 1:
            raise HostTrouble("told to fail")
        return super().save(run, pins)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def bench() -> Bench:
    found = Bench(canary=1, wave=2)
    found.machines = fakes.FakeMachines({host.id: Machine(host.id) for host in found.before.hosts})
    return found


def machine(bench: Bench, host: str) -> Machine:
    found = bench.machines[host]
    assert isinstance(found, Machine)
    return found


def test_the_next_wave_fetches_while_the_canary_is_worked_on_and_serves(bench: Bench) -> None:
    canary, following = bench.plan.waves[:2]
    for event in run(bench.plan, "patch-1", bench.tools()):
        if isinstance(event, StepStarted) and event.step == "upgrade" and event.host in canary.hosts:
            for host in following.hosts:
                assert machine(bench, host).fetched.wait(60)
            assert not any(machine(bench, host).saves for wave in bench.plan.waves[2:] for host in wave.hosts)
            assert bench.world.acts.count(f"standby {canary.hosts[0]}") == 1
            assert not any(act == f"standby {host}" for host in following.hosts for act in bench.world.acts)


def test_the_first_wave_fetches_while_the_group_is_made_ready(bench: Bench) -> None:
    (canary,) = bench.plan.waves[0].hosts
    for event in run(bench.plan, "patch-1", bench.tools()):
        if isinstance(event, StepStarted) and event.step == "processes":
            assert machine(bench, canary).fetched.wait(60) and bench.world.acts == []
            return
    pytest.fail("no processes were suspended")


def test_a_wave_fetches_once_the_one_before_it_has(bench: Bench) -> None:
    past = Past.of([StepStarted(step="patch", detail={"plan": bench.plan.to_json()})])
    first, following = (machine(bench, wave.hosts[0]) for wave in bench.plan.waves[:2])
    first.held.clear()
    with closing(Ahead(bench.machines, "patch-1")) as ahead:
        for wave in bench.plan.waves[:2]:
            list(ahead.fetch(past, wave))
        assert first.fetched.wait(60) and not following.fetched.wait(0.05)
        first.held.set()
        assert following.fetched.wait(60)


def test_what_could_not_be_fetched_ahead_is_fetched_in_its_turn(bench: Bench) -> None:
    host = bench.plan.waves[1].hosts[0]
    machine(bench, host).fails_at_first = True
    assert bench.result().state == "done"
    assert (machine(bench, host).saves, machine(bench, host).upgrades) == (2, 1)


def test_hosts_whose_turn_does_not_come_are_let_go_untouched(bench: Bench) -> None:
    machine(bench, bench.plan.waves[0].hosts[0]).breaks = ("health",)
    assert bench.result().state == "failed"
    for host in bench.plan.waves[1].hosts:
        assert (machine(bench, host).upgrades, machine(bench, host).closed) == (0, 1)


def test_nobody_is_asked_to_fetch_where_the_wave_may_not_start(bench: Bench) -> None:
    bench.world.refreshing = True
    with pytest.raises(GuardRefused):
        bench.result()
    assert not any(machine(bench, host.id).saves for host in bench.before.hosts)
