"""Running a drill against the small world: start it, see it to its end, recover it, look whether all is whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from typing import Any

from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.scene import Scene
from tests.runbooks.world import MONDAY, FakeWorld, a_fleet

Events = Generator[Event, None, DrillResult]


def a_plan(world: FakeWorld, **fleet: str) -> DrillPlan:
    return drill.plan("instance_loss", "web", scene=a_scene(world), fleet=a_fleet(**fleet), stack="dev", now=MONDAY)


def a_scene(world: FakeWorld) -> Scene:
    return Scene({"web": world.group("web")})


def hands(world: FakeWorld, **more: Any) -> Hands:
    return Hands(**{"hosts": world, "faults": world, "counter": world, "clock": world, **more})


def start(plan: DrillPlan, world: FakeWorld, journal: Journal, **more: Any) -> Events:
    return drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world, **more))


def finish(events: Events) -> tuple[list[Event], DrillResult]:
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return seen, end.value


def cut_short(events: Events, when: Callable[[Event], bool]) -> None:
    """See the drill as far as the first such event, and leave it there as ``kill -9`` does: nothing is cleaned up."""
    next(event for event in events if when(event))
    events.close()


def finished(step: str) -> Callable[[Event], bool]:
    """Whether an event is the end of that step."""
    return lambda event: isinstance(event, StepFinished) and event.step == step


def boundary(number: int) -> Callable[[Event], bool]:
    """Whether an event is the start or end of a step that comes as the so-manyth."""
    count = itertools.count(1)
    return lambda event: isinstance(event, StepStarted | StepFinished) and next(count) == number


def recover(world: FakeWorld, journal: Journal, run_id: str) -> DrillResult:
    row, leases = journal.run(run_id), Leases(journal.engine)
    return finish(drill.recover(row, journal=journal, leases=leases, hands=hands(world)))[1]


def assert_whole(world: FakeWorld, plan: DrillPlan) -> None:
    serving = [host for host in world.group("web").hosts if host.serving]
    assert len(serving) == world.now_group.desired
    assert sorted(host.zone for host in serving) == sorted(host.zone for host in plan.before.groups["web"].hosts)
