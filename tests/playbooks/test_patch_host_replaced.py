"""A host that cannot go back: who gives way to a new one, when that is refused, and what a kill leaves of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quartermaster.fleet.events import Event, from_record, to_record
from quartermaster.playbooks import patch, patch_run
from quartermaster.playbooks.host_remedies import remedy
from quartermaster.playbooks.machine import Facts, HostTrouble, Survey
from quartermaster.playbooks.patch_recover import recover
from quartermaster.playbooks.patch_result import outcome
from tests.playbooks import fakes
from tests.playbooks.test_patch_run import NOW, Bench


def lost(*which: int, **patching: Any) -> Bench:
    """Three hosts, of which these, by their turn, fail in the upgrade and cannot go back."""
    bench = Bench(3, **patching)
    order = [host for wave in bench.plan.waves for host in wave.hosts]
    for turn in which:
        bench.machines[order[turn]].breaks = ("upgrade", "rollback")
    return bench


def ended(bench: Bench) -> list[str]:
    return [act.removeprefix("terminate ") for act in bench.world.acts if act.startswith("terminate")]


def sizes(bench: Bench) -> tuple[int, int, int]:
    now = bench.world.now
    return now.min, now.desired, len(now.hosts)


def states(bench: Bench, events: list[Event]) -> list[str]:
    order = [host for wave in bench.plan.waves for host in wave.hosts]
    found = {host.id: host.state for host in outcome(events, run="patch-1").hosts}
    return [found[host] for host in order]


def test_after_the_canary_a_host_that_cannot_go_back_is_replaced_by_one_that_serves_first() -> None:
    bench = lost(1)
    events = list(bench.run())
    order = [host for wave in bench.plan.waves for host in wave.hosts]
    assert states(bench, events) == ["patched", "replaced", "patched"]
    assert ended(bench) == [order[1]]
    assert sizes(bench) == (3, 3, 3) and bench.world.now.suspended == ()
    told = [event for event in events if event.step == "host" and event.host == order[1]][-1]
    assert "serves in its place" in told.error  # type: ignore[attr-defined]
    assert outcome(events, run="patch-1").state == "done"


def test_the_canary_is_never_replaced_as_its_packages_are_on_trial() -> None:
    bench = lost(0)
    events = list(bench.run())
    assert states(bench, events) == ["drained", "pending", "pending"]
    assert ended(bench) == []
    assert "no canary has passed" in outcome(events, run="patch-1").hosts[0].why


def test_nobody_is_replaced_in_a_group_whose_owner_forbade_it() -> None:
    bench = lost(1)
    bench.plan = replace(bench.plan, suspend=tuple(name for name in bench.plan.suspend if name != "ReplaceUnhealthy"))
    bench.world.now = replace(bench.world.now, suspended=("ReplaceUnhealthy",))
    assert states(bench, list(bench.run()))[1] == "drained"
    assert ended(bench) == []


def test_where_no_new_host_comes_the_old_one_is_left_drained_and_the_group_wants_what_it_wanted() -> None:
    bench = lost(1)
    bench.world.launches = False
    events = list(bench.run())
    order = [host for wave in bench.plan.waves for host in wave.hosts]
    assert states(bench, events)[1] == "drained"
    assert ended(bench) == []
    left = {host.id: host.lifecycle for host in bench.world.now.hosts}
    assert left[order[1]] == "Standby" and bench.world.now.desired == 2


def test_each_replaced_host_counts_against_the_budget() -> None:
    bench = lost(1, 2, max_failures=0)
    assert states(bench, list(bench.run())) == ["patched", "replaced", "pending"]


def test_the_floor_stays_below_a_drained_host_until_it_is_back() -> None:
    """Raised, it would launch a host, and with the packages that just failed."""
    bench = lost(0)
    journal = list(bench.run())
    assert sizes(bench) == (2, 2, 3)
    for machine in bench.machines.values():
        machine.breaks = ()
    list(recover(journal, world=bench.world, machines=bench.machines))
    assert bench.world.now == bench.before


LENGTH = len(list(lost(1).run()))


@pytest.mark.parametrize("kill_at", range(1, LENGTH + 1))
def test_after_a_kill_at_any_boundary_resume_ends_the_lost_host_once(kill_at: int) -> None:
    bench = lost(1)
    journal = [from_record(to_record(event)) for event in fakes.until(bench.run(), kill_at)]
    journal += patch_run.resume(list(journal), "patch-1", bench.tools())
    assert states(bench, journal) == ["patched", "replaced", "patched"]
    assert len(ended(bench)) == 1
    assert sizes(bench) == (3, 3, 3) and bench.world.now.suspended == ()


@pytest.mark.parametrize("kill_at", range(1, LENGTH + 1))
def test_after_a_kill_at_any_boundary_recover_keeps_the_group_s_size(kill_at: int) -> None:
    bench = lost(1)
    journal = fakes.until(bench.run(), kill_at)
    list(recover(list(journal), world=bench.world, machines=bench.machines))
    assert sizes(bench) == (3, 3, 3) and bench.world.now.suspended == ()
    assert all(host.serving for host in bench.world.now.hosts)


def test_a_host_that_was_only_rebooted_has_no_packages_to_put_back_and_serves_again() -> None:
    bench = Bench(3, reboot="always")
    bench.plan = patch.plan(
        bench.before, fakes.fleet(reboot="always"), {host.id: Survey() for host in bench.before.hosts}, NOW,
        drain_seconds=0,
    )  # fmt: skip
    first = bench.machines[bench.plan.waves[0].hosts[0]]
    first.breaks = ("rollback",)

    def converge(run: str) -> dict[str, int]:
        """Fails once."""
        first.converge = lambda _: {"changed": 0}  # type: ignore[method-assign]
        raise HostTrouble("converge failed")

    first.converge = converge  # type: ignore[method-assign]
    result = bench.result()
    assert [host.why for host in result.hosts if host.id == first.id] == ["converge failed"]
    assert first.boots == 1 and all(host.serving for host in bench.world.now.hosts)


@pytest.mark.parametrize("ahead", [-300.0, 300.0])
def test_a_host_whose_clock_is_wrong_is_not_touched(ahead: float) -> None:
    bench = Bench(3)
    for machine in bench.machines.values():
        machine.facts = lambda names: Facts("0", False, {}, ahead)  # type: ignore[method-assign]
    result = bench.result()
    assert "clock" in next(host.why for host in result.hosts if host.state == "failed")
    assert {machine.upgrades for machine in bench.machines.values()} == {0}


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("admin@10.0.0.1: Permission denied (publickey).", "public key"),
        ("Host key verification failed.", "its key"),
        ("sudo: a password is required", "sudo"),
        ("E: You don't have enough free space in /var/cache", "free space"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend", "process"),
        ("E: Failed to fetch http://repo/x.deb 404", "repository"),
        ("E: Version '2' for 'page' was not found", "plan again"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "runs"),
        ("something that nobody has met", ""),
    ],
)
def test_a_trouble_comes_with_what_can_be_done(trouble: str, words: str) -> None:
    assert words in remedy(trouble)
    assert words or not remedy(trouble)
