"""Probes answer from what was observed, and say what they found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.fleet.hosts import Group
from quartermaster.runbooks.document import Call
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.probes import PROBES, World, evaluate
from quartermaster.runbooks.scene import Scene
from tests.runbooks.world import a_group


def reads(call: str, *arguments: str, now: Group, before: Group | None = None, quiet: float | None = None) -> bool:
    world = World("web", Scene({"web": before or a_group()}), Scene({"web": now}), quiet)
    return evaluate(Call(call, arguments), world, {**PROBES, **KINDS["instance_loss"].probes}).holds


def changed(group: Group, host_id: str, **values: str) -> Group:
    return replace(group, hosts=tuple(replace(h, **values) if h.id == host_id else h for h in group.hosts))


def without(group: Group, host_id: str) -> Group:
    return replace(group, hosts=tuple(host for host in group.hosts if host.id != host_id))


def test_steady_is_as_many_as_wanted_all_serving() -> None:
    assert reads("steady", now=a_group())
    assert not reads("steady", now=a_group(3, desired=4))
    assert not reads("steady", now=changed(a_group(), "i-1", health="unhealthy"))


def test_a_host_too_many_that_does_not_serve_is_not_steady() -> None:
    assert not reads("steady", now=changed(a_group(4, desired=3), "i-3", lifecycle="Standby"))


def test_an_empty_group_is_not_steady() -> None:
    assert not reads("steady", now=a_group(0))


def test_hosts_heaped_in_one_zone_are_not_steady_unless_they_were_before() -> None:
    heaped = replace(a_group(), hosts=tuple(replace(host, zone="eu-west-1a") for host in a_group().hosts))
    assert not reads("steady", now=heaped)
    assert reads("steady", now=heaped, before=heaped)


def test_whole_does_not_count_the_lost_host_while_it_is_believed_alive() -> None:
    replaced_early = a_group(4, desired=3)
    assert not reads("whole", "i-0", now=replaced_early)


def test_whole_ignores_the_lost_host_on_its_way_out() -> None:
    leaving = changed(a_group(4, desired=3), "i-0", lifecycle="Terminating:Wait", health="draining")
    assert reads("whole", "i-0", now=leaving)
    assert not reads("whole", "i-0", now=without(a_group(), "i-0"))


def test_whole_ignores_nobody_else_on_the_way() -> None:
    assert not reads("whole", "i-0", now=changed(a_group(5, desired=4), "i-1", lifecycle="Pending:Wait"))


@pytest.mark.parametrize(("quiet", "holds"), [(4.9, False), (5.0, True), (None, True)])
def test_to_stay_whole_needs_so_long_without_a_failed_request_where_they_are_counted(
    quiet: float | None, holds: bool
) -> None:
    whole = replace(a_group(4, desired=3), hosts=a_group(4).hosts[1:])
    assert reads("stays", "i-0", "5", now=whole, quiet=quiet) is holds


@pytest.mark.parametrize(
    ("lifecycle", "health", "noticed", "given_up"),
    [
        ("InService", "healthy", False, False),
        ("InService", "unhealthy", True, False),
        ("InService", "unused", True, False),
        ("Terminating", "draining", True, True),
        ("Terminating:Wait", "unused", True, True),
    ],
)
def test_a_host_is_noticed_by_the_balancer_and_given_up_by_the_group(
    lifecycle: str, health: str, noticed: bool, given_up: bool
) -> None:
    now = changed(a_group(), "i-0", lifecycle=lifecycle, health=health)
    assert (reads("noticed", "i-0", now=now), reads("given_up", "i-0", now=now)) == (noticed, given_up)


def test_a_host_that_left_is_noticed_and_given_up() -> None:
    gone = without(a_group(), "i-0")
    assert reads("noticed", "i-0", now=gone)
    assert reads("given_up", "i-0", now=gone)


def test_a_replacement_is_launched_then_in_service() -> None:
    pending = changed(a_group(4, desired=3), "i-3", lifecycle="Pending:Wait", health="initial")
    assert not reads("replacement_launched", now=a_group())
    assert reads("replacement_launched", now=pending)
    assert not reads("replacement_in_service", now=pending)
    assert reads("replacement_in_service", now=changed(pending, "i-3", lifecycle="InService"))
