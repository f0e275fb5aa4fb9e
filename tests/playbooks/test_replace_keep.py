"""Hosts that stay are told from those that go by protecting them, where AWS knows versions alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, StepStarted
from quartermaster.fleet.hosts import Group
from quartermaster.playbooks import replace as replacing
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.replace_keep import keep, left, let_go
from quartermaster.playbooks.replace_past import Past
from quartermaster.playbooks.replace_world import Launched, Refreshes
from tests.playbooks.fakes import fleet, group


@dataclass
class World:
    """A group of three of the newest version, and who of them is protected."""

    now: Group = field(default_factory=lambda: group(3))
    protected: set[str] = field(default_factory=set)

    def group(self) -> Group:
        return self.now

    def launched(self) -> Launched:
        versions = dict.fromkeys((host.id for host in self.now.hosts), "2")
        return Launched("lt-1", "2", "2", versions, {"2": {}}, frozenset(self.protected))

    def protect(self, hosts: Sequence[str], *, on: bool) -> None:
        (self.protected.update if on else self.protected.difference_update)(hosts)

    def becomes(self, host_id: str, **values: Any) -> None:
        hosts = (replace(host, **values) if host.id == host_id else host for host in self.now.hosts)
        self.now = replace(self.now, hosts=tuple(hosts))

    @property
    def seam(self) -> Refreshes:
        return cast(Refreshes, self)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def past(world: World) -> Past:
    """A run in which host i-0 alone is of an old role bundle."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    surveys = {"i-0": Survey(bundle="ab" * 32)}
    plan = replacing.plan(world.now, fleet(method="replace"), world.launched(), now, surveys=surveys)
    return Past.of([StepStarted(step="replace", detail={"plan": plan.to_json()})])


def noted(events: Iterable[Event], past: Past) -> list[str]:
    steps = []
    for event in events:
        past.take(event)
        steps.append(event.step)
    return steps


def test_who_stays_is_protected_and_later_no_more(world: World, past: Past) -> None:
    noted(keep(past, world.seam), past)
    assert world.protected == {"i-1", "i-2"}
    noted(let_go(past, world.seam), past)
    assert (world.protected, past.protected) == (set(), frozenset())
    assert noted(let_go(past, world.seam), past) == []


def test_what_is_protected_is_written_down_before(world: World, past: Past) -> None:
    for event in keep(past, world.seam):
        past.take(event)
        break
    assert (world.protected, past.protected) == (set(), {"i-1", "i-2"})
    world.protect(["i-1"], on=True)  # killed in the act
    noted(keep(past, world.seam), past)
    noted(let_go(past, world.seam), past)
    assert world.protected == set()


def test_what_somebody_else_protected_stays_protected(world: World, past: Past) -> None:
    world.protect(["i-1"], on=True)
    noted([*keep(past, world.seam)], past)
    noted(let_go(past, world.seam), past)
    assert world.protected == {"i-1"}


def test_a_host_that_left_meanwhile_is_not_let_go(world: World, past: Past) -> None:
    noted(keep(past, world.seam), past)
    world.becomes("i-2", lifecycle="Terminating")
    noted(let_go(past, world.seam), past)
    assert world.protected == {"i-2"}


def test_a_host_that_is_to_go_and_was_protected_since_stops_the_run(world: World, past: Past) -> None:
    world.protect(["i-0"], on=True)
    with pytest.raises(OpsError, match="told apart: i-0"):
        list(keep(past, world.seam))


def test_a_host_that_stays_and_does_not_serve_yet_stops_the_run(world: World, past: Past) -> None:
    world.becomes("i-1", lifecycle="Pending")
    with pytest.raises(OpsError, match="i-1 stays and does not serve yet"):
        list(keep(past, world.seam))


def test_nobody_is_left_once_those_that_go_are_gone(world: World, past: Past) -> None:
    assert left(past, world.seam)
    world.becomes("i-0", lifecycle="Terminating:Wait")
    assert not left(past, world.seam)
