"""A word to a run under way, through the journal and by Ctrl-C."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli import patch_control
from quartermaster.cli.main import run
from quartermaster.cli.patch_control import Control, open_until
from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Noted, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.schema import Fleet


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_control, "_LOOK_SECONDS", 0.0)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def journal(fleet: Path) -> Journal:
    (fleet / ".ops").mkdir()
    return Journal.open(fleet / ".ops" / "ops.db")


def ops(fleet: Path, *words: str) -> int:
    return run(["patch", *words, "--fleet", str(fleet), "--yes"])


@pytest.mark.parametrize("word", ["pause", "abort"])
def test_a_run_hears_the_word_from_another_process(fleet: Path, journal: Journal, word: str) -> None:
    record = journal.start("patch", stack="dev", subject="web")
    control = Control(journal, record.id)
    assert control() == ""
    assert ops(fleet, word, "web") == 0
    assert control() == word
    assert journal.broken_at() is None


def test_an_abort_after_a_pause_is_heard_and_no_pause_after_an_abort(fleet: Path, journal: Journal) -> None:
    control = Control(journal, journal.start("patch", stack="dev", subject="web").id)
    assert [ops(fleet, "pause", "web"), control(), ops(fleet, "abort", "web"), control()] == [0, "pause", 0, "abort"]
    assert [ops(fleet, "pause", "web"), control()] == [0, "abort"]


def test_words_to_an_earlier_pass_are_over(fleet: Path, journal: Journal) -> None:
    record = journal.start("patch", stack="dev", subject="web")
    assert ops(fleet, "pause", "web") == 0
    assert Control(journal, record.id)() == ""


def test_other_events_are_no_words(journal: Journal) -> None:
    record = journal.start("patch", stack="dev", subject="web")
    control = Control(journal, record.id)
    for event in (StepStarted(step="asked elsewhere"), Noted(step="patch", message='"step": "asked"')):
        journal.add(record.id, event)
    assert control() == ""


def test_without_a_run_under_way_there_is_nobody_to_tell(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ops(fleet, "pause", "web") == 2
    assert "no patch run of web is under way" in capsys.readouterr().err
    assert ops(fleet, "abort", "nowhere") == 2
    assert "'nowhere' in fleet.yaml" in capsys.readouterr().err


def test_a_run_whose_process_is_gone_is_resumed_or_recovered(
    fleet: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("quartermaster.fleet.journal.process_started", lambda _pid: "1")
    journal.start("patch", stack="dev", subject="web")
    monkeypatch.undo()
    assert ops(fleet, "abort", "web") == 2
    assert "ops patch recover web" in capsys.readouterr().err


def test_the_first_ctrl_c_pauses_and_the_second_stops(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    control = Control(journal, journal.start("patch", stack="dev", subject="web").id)
    before = signal.getsignal(signal.SIGINT)
    with control.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert control() == "pause"
        assert "Ctrl-C again stops at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


class _At:
    def __init__(self, text: str) -> None:
        self._now = datetime.fromisoformat(text)

    def now(self) -> datetime:
        return self._now


def _session(at: str) -> Any:
    fleet = Fleet.model_validate(
        {
            "fleet": "shop",
            "timezone": "Europe/Dublin",
            "clusters": {"web": {}},
            "patching": {"web": {"window": "Sun 01:00-05:00"}},
            "freezes": ({"from": "2026-11-29", "to": "2026-11-30", "why": "peak"},),
        }
    )
    return SimpleNamespace(fleet=fleet, clock=_At(at))


def test_a_run_is_resumed_until_the_window_that_is_open_ends() -> None:
    assert open_until(_session("2026-11-22T02:00:00+00:00"), "web", "") == datetime(2026, 11, 22, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "why"), [("2026-11-22T06:00:00+00:00", "outside the window"), ("2026-11-29T02:00:00+00:00", "peak")]
)
def test_outside_the_window_or_in_a_freeze_nothing_is_resumed_without_a_reason(at: str, why: str) -> None:
    with pytest.raises(GuardRefused, match=why) as refused:
        open_until(_session(at), "web", "")
    assert "ops patch recover web" in refused.value.remedy
    open_until(_session(at), "web", "the hole is being used")
