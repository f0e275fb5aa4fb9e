"""A drill that was cut short, wherever it was, is put right, and nothing is done twice."""

from __future__ import annotations

import gc

import pytest

from quartermaster.fleet.events import StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks import drill
from tests.runbooks.rehearsal import a_plan, assert_whole, recover, start
from tests.runbooks.world import FakeWorld

BOUNDARIES = 14
"""Started and finished of seven steps."""


@pytest.mark.parametrize("boundary", range(BOUNDARIES + 1))
def test_a_kill_at_every_boundary_of_the_journal_is_put_right(journal: Journal, boundary: int) -> None:
    """``kill -9`` as the journal sees it: the events stop there, the run stays *running*, nothing is cleaned up."""
    world = FakeWorld()
    plan = a_plan(world)
    events = start(plan, world, journal)
    steps = 0
    while steps < boundary:
        event = next(events)
        steps += isinstance(event, StepStarted | StepFinished)
    (row,) = journal.runs() if boundary else [None]
    if row is None:
        assert not world.killed
        return
    frozen = journal.events(row.id)
    events.close()
    gc.collect(1)  # all that is younger than this test, and not what every other one has imported
    assert journal.events(row.id) == frozen  # closing wrote nothing more
    assert [item.id for item in drill.unfinished(journal)] == [row.id]
    result = recover(world, journal, row.id)
    assert result.restored
    assert_whole(world, plan)
    assert journal.run(row.id).state == "recovered"
    assert drill.unfinished(journal) == []
    assert Leases(journal.engine).held() == []


def test_recover_before_the_fault_touches_nothing(journal: Journal) -> None:
    world = FakeWorld()
    events = start(a_plan(world), world, journal)
    next(events)
    events.close()
    recover(world, journal, journal.runs()[0].id)
    assert (world.killed, world.terminated) == ({}, [])


def test_recover_twice_replaces_the_host_once(journal: Journal) -> None:
    world = FakeWorld(given_up_after=15)
    plan = a_plan(world)
    events = start(plan, world, journal)
    while not world.killed:
        next(events)
    events.close()
    run_id = journal.runs()[0].id
    recover(world, journal, run_id)
    assert recover(world, journal, run_id).restored
    assert world.terminated == [plan.host]
