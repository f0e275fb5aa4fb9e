"""Ctrl-C ends a drill only once what it did is taken back, also when it comes while an event is shown."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

import pytest

from quartermaster.cli.drill_plan import drawn
from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks.evidence import DrillResult
from tests.runbooks.rehearsal import a_plan, assert_whole, hands
from tests.runbooks.world import FakeWorld


@pytest.mark.parametrize("at", [1, 4, 6, 9])
def test_ctrl_c_while_an_event_is_shown_takes_back_what_was_done(tmp_path: Path, at: int) -> None:
    world, journal = FakeWorld(), Journal.open(tmp_path / "ops.db")
    ops = SimpleNamespace(journal=journal, leases=Leases(journal.engine), stack="dev")
    plan = a_plan(world)

    def show(events: Generator[Event, None, DrillResult]) -> DrillResult:
        for _ in range(at):
            next(events)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drawn(ops, plan, hands(world), show)  # type: ignore[arg-type]
    assert [row.state for row in journal.runs()] == ["recovered"]
    assert_whole(world, plan)
    assert Leases(journal.engine).held() == []
    journal.engine.dispose()
