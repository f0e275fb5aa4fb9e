"""`ops backup restore --over-original` at a terminal: what is shown, what is asked, and what is done of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from quartermaster.cli import backup, backup_over
from quartermaster.cli.main import run
from quartermaster.fleet.events import Event, Json, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.workspace import Workspace
from quartermaster.runbooks.overwrite import Plan
from tests.cli.terminal import typing

THEN = datetime(2026, 11, 16, 9, tzinfo=UTC)
COMMAND = "backup restore orders --to 2026-11-16T09:00:00Z --over-original --json"
Typed = Callable[..., int]


class Work:
    """What restores over the original; each stream that is drawn is noted."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.by = ""

    def done_by(self) -> str:
        assert self.by, "asked, which on aws starts a host, though no run was cut short"
        return self.by

    def plan(self, to: datetime | None) -> Plan:
        assert to == THEN
        return Plan(THEN, THEN, "asked for", 3600.0, "clock")

    def prepare(self, plan: Plan) -> Iterator[Event]:
        return self._step("prepare", {"rows": {"public.orders": {"now": 12, "then": 7}}})

    def clear(self) -> Iterator[Event]:
        return self._step("clear")

    def discard(self) -> bool:
        self.did.append("discard")
        return True

    def exchange(self, plan: Plan) -> Iterator[Event]:
        return self._step("exchange", {"kept": "orders_before", "lost_seconds": 3601.0, "lost_by": "clock"})

    def finish(self) -> Iterator[Event]:
        return self._step("finish", {"standby_zone": "eu-west-1b"})

    def _step(self, step: str, found: dict[str, Json] | None = None) -> Iterator[Event]:
        self.did.append(step)
        yield StepStarted(step=step, title=step)
        yield StepFinished(step=step, title=step, seconds=1.0, detail=found or {})


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def typed(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Runs `ops` in a fleet of its own, with what the person types."""
    (tmp_path / "fleet.yaml").write_text("fleet: shop\ndatabases: {orders: {}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backup, "restorer", lambda _: None)
    monkeypatch.setattr(backup_over, "_overwriting", lambda *_, **__: work)

    def type_(*lines: str, command: str = COMMAND) -> int:
        monkeypatch.setattr(sys, "stdin", typing(*lines))
        return run(command.split())

    return type_


def test_it_is_asked_twice_first_by_the_plan_then_by_the_rows(
    typed: Typed, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("y", "orders") == 0
    out, err = capsys.readouterr()
    first, _, second = err.partition("to be asked again before its data are written over?")
    assert "as it was at 2026-11-16 09:00:00 UTC" in first and "3600 s up to now" in first
    assert "public.orders" not in first and second.split("public.orders")[1].split()[:2] == ["12", "7"]
    assert work.did == ["prepare", "exchange", "finish"]
    found = json.loads(out)
    assert (found["kept"], found["lost_seconds"], found["standby_zone"]) == ("orders_before", 3601.0, "eu-west-1b")


@pytest.mark.parametrize("word", ["", "y", "order"])
def test_another_word_than_the_name_leaves_all_as_it_was(
    typed: Typed, work: Work, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert typed("y", word) == 2
    assert "not confirmed; the database is as it was" in capsys.readouterr().err
    assert work.did == ["prepare", "clear"]


def test_who_does_not_want_the_first_step_is_asked_no_more(typed: Typed, work: Work) -> None:
    assert typed("n") == 2
    assert work.did == []


def test_named_beforehand_nobody_is_asked(typed: Typed, work: Work) -> None:
    assert typed(command=f"{COMMAND} --again orders --yes") == 0
    assert work.did == ["prepare", "exchange", "finish"]


def test_what_a_killed_run_left_to_do_is_done_and_nothing_else(
    typed: Typed, work: Work, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    work.by = cut_short(tmp_path, COMMAND)
    assert typed(command=f"{COMMAND} --again orders --yes") == 0
    assert work.did == ["finish"]
    assert json.loads(capsys.readouterr().out)["ended"] == work.by


@pytest.mark.parametrize(("command", "did"), [(COMMAND, ["discard"]), ("backup verify orders", ["remove"])])
def test_who_gives_up_a_killed_run_has_nothing_of_it_left(
    typed: Typed, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, did: list[str]
) -> None:
    copies = SimpleNamespace(
        left=lambda _: True, restored_id=lambda _: "shop-dev-drill-orders", remove=lambda _: work.did.append("remove")
    )
    monkeypatch.setattr(backup, "restorer", lambda _: SimpleNamespace(backups=copies))
    cut_short(tmp_path, command)
    assert typed(command="backup remove orders --yes") == 0
    assert work.did == did


def cut_short(folder: Path, command: str) -> str:
    """A run of that command whose process is gone."""
    journal = Journal.open(Workspace(folder / "fleet.yaml").database)
    cut = journal.start("backup", stack="dev", subject="orders", inputs={"arguments": list(command.split())})
    with journal.engine.begin() as db:
        db.exec_driver_sql("update runs set pid = 2147483647")
    journal.engine.dispose()
    return cut.id
