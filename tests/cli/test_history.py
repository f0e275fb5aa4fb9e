"""``ops history``: runs and events by time, kind and host; a timeline; export and verify."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quartermaster.cli.main import run
from quartermaster.cli.output import table
from quartermaster.cli.timeline import COLUMNS, Bar, bars, drawn
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal, Recorded
from quartermaster.fleet.workspace import Workspace
from tests.cli.terminal import Terminal

EVENTS = [
    StepStarted(step="drain", host="i-1", zone="eu-west-1a"),
    Noted(step="drain", host="i-1", message="30 s to go"),
    StepFinished(step="drain", host="i-1", seconds=30.5),
    StepStarted(step="patch", title="Patch the host", host="i-2"),
]


class Books:
    """A fleet with two runs in its journal."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        (folder / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n")
        journal = Journal.open(Workspace(folder / "fleet.yaml").database)
        patch = journal.start("patch", stack="dev", subject="web")
        drill = journal.start("drill", stack="dev", subject="instance_loss web")
        list(patch.record(EVENTS[:2]))
        list(drill.record([StepStarted(step="lose", host="i-9")]))
        list(patch.record(EVENTS[2:]))
        drill.finish("done", {"rto_seconds": 12.5})
        self.patch, self.drill, self.engine = patch.id, drill.id, journal.engine

    def ops(self, *words: str, exits: int = 0) -> Any:
        """What the command prints with --json."""
        assert run(["history", *words, "--json", "--fleet", str(self.folder)]) == exits
        out = self._capsys.readouterr().out
        return json.loads(out) if out else None

    def told(self, *words: str, exits: int = 0) -> str:
        assert run(["history", *words, "--fleet", str(self.folder)]) == exits
        captured = self._capsys.readouterr()
        return captured.out + captured.err


@pytest.fixture
def books(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Books]:
    found = Books(tmp_path, capsys)
    yield found
    found.engine.dispose()


def test_runs_are_listed_newest_first_and_by_kind(books: Books) -> None:
    assert [row["id"] for row in books.ops()["runs"]] == [books.drill, books.patch]
    assert [row["id"] for row in books.ops("--kind", "patch")["runs"]] == [books.patch]
    assert books.ops("list", "--kind", "restore")["runs"] == []


def test_runs_are_found_by_time(books: Books) -> None:
    assert len(books.ops("--since", "1h")["runs"]) == 2
    assert books.ops("--until", "1h")["runs"] == []
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert books.ops("--since", later)["runs"] == []
    assert "no instant" in books.told("--since", "soon", exits=2)


def test_events_about_a_host_come_from_all_runs(books: Books) -> None:
    found = books.ops("--host", "i-1")["events"]
    assert [(item["run"], item["kind"]) for item in found] == [
        (books.patch, k) for k in ("started", "noted", "finished")
    ]
    assert [item["host"] for item in books.ops("--events", "--kind", "drill")["events"]] == ["i-9"]
    assert books.ops("--events", "--kind", "restore")["events"] == []


def test_a_run_is_shown_by_its_id_alone(books: Books) -> None:
    assert books.ops(books.patch) == books.ops("show", books.patch)
    assert [event["kind"] for event in books.ops(books.patch)["events"]] == ["started", "noted", "finished", "started"]
    shown = books.told(books.patch)
    assert "Patch the host" in shown and "█" in shown and "░" in shown
    assert "no run 'patch-1'" in books.told("patch-1", exits=2)


def test_an_export_is_the_chain_and_proves_itself(books: Books, tmp_path: Path) -> None:
    whole, one = tmp_path / "whole.jsonl", tmp_path / "one.jsonl"
    assert books.ops("export", "--out", str(whole))["lines"] == 8
    assert books.ops("export", books.patch, "--out", str(one))["lines"] == 7
    told = [json.loads(row) for row in one.read_text().splitlines()[1:-1]]
    assert [item["seq"] for item in told if "record" not in item] == [2, 5], "the other run's lines are hashes alone"
    for file in (whole, one):
        assert books.ops("verify", str(file))["intact"] is True
    assert books.ops("verify")["lines"] == 8
    assert books.told("export") == whole.read_text()


def _edit(rows: list[str]) -> None:
    rows[4] = rows[4].replace("30 s", "31 s")


def _remove(rows: list[str]) -> None:
    del rows[3]


def _swap(rows: list[str]) -> None:
    rows[3], rows[4] = rows[4], rows[3]


def _cut(rows: list[str]) -> None:
    del rows[-1]


def _cut_inside(rows: list[str]) -> None:
    del rows[-2]


def _add(rows: list[str]) -> None:
    rows.append(rows[-2])


def _forge(rows: list[str]) -> None:
    rows[3] = "[]\n"


@pytest.mark.parametrize(
    ("change", "line"), [(_edit, 5), (_remove, 4), (_swap, 4), (_cut, 9), (_cut_inside, 8), (_add, 10), (_forge, 4)]
)
def test_a_changed_file_is_found_and_the_line_named(books: Books, tmp_path: Path, change: Any, line: int) -> None:
    file = tmp_path / "one.jsonl"
    books.ops("export", books.patch, "--out", str(file))
    rows = file.read_text().splitlines(keepends=True)
    change(rows)
    file.write_text("".join(rows))
    assert f"one.jsonl:{line}: " in books.told("verify", str(file), exits=1)


EDITED = "it was edited: its hash is of something else"
PARTED = "it does not follow from the line before it: one was removed, added or moved"
JOURNALS = {
    ("update events set record = replace(record, '30.5', '31.5')", "verify"): (
        f"error: the journal is not as it was written: line 6: {EDITED}\n"
        "  remedy: restore it from a copy; what came before that line is intact\n"
    ),
    ("delete from events where seq = 4", "verify"): (
        f"error: the journal is not as it was written: line 5: {PARTED}\n"
        "  remedy: restore it from a copy; what came before that line is intact\n"
    ),
    ("update events set record = replace(record, '30.5', '31.5')", "show RUN"): (
        "error: line 6 of RUN was edited: its hash is of something else\n  remedy: ops history verify\n"
    ),
}
"""What somebody did to the journal, and the command that tells of it."""


@pytest.mark.parametrize(("change", "typed"), JOURNALS)
def test_a_journal_that_was_changed_is_told(books: Books, change: str, typed: str) -> None:
    with books.engine.begin() as db:
        db.exec_driver_sql(change)
    told = books.told(*typed.replace("RUN", books.patch).split(), exits=1)
    assert told.replace(books.patch, "RUN") == JOURNALS[change, typed]


def test_a_changed_file_is_told_with_what_to_do(books: Books, tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    books.ops("export", books.patch, "--out", str(file))
    file.write_text(file.read_text().replace("30 s", "31 s"))
    assert books.told("verify", str(file), exits=1) == (
        f"error: {file}:5: {EDITED}\n  remedy: export it anew, and ask who changed this one\n"
    )


@pytest.mark.parametrize("text", ["", "hello\n", "[]\n", '{"format": "other", "run": null, "lines": 0, "hash": ""}\n'])
def test_what_is_no_export_is_refused(books: Books, tmp_path: Path, text: str) -> None:
    (tmp_path / "other.jsonl").write_text(text)
    assert "no exported journal" in books.told("verify", str(tmp_path / "other.jsonl"), exits=2)


AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def recorded(*events: Event) -> list[Recorded]:
    """The events, ten seconds apart."""
    return [Recorded(AT + timedelta(seconds=10 * i), event, "", i, "r") for i, event in enumerate(events)]


def test_a_step_is_a_bar_from_its_start_to_its_end() -> None:
    found = bars(recorded(
        StepStarted(step="a", host="1"), StepStarted(step="a", host="2"), StepFailed(step="a", host="1", error="no"),
    ))  # fmt: skip
    assert found == [
        Bar("a", "1", AT, AT + timedelta(seconds=20), "failed"),
        Bar("a", "2", AT + timedelta(seconds=10), None, "open"),
    ]


def test_a_step_that_was_cut_short_ends_where_its_run_was_last_heard_of() -> None:
    begun = [StepStarted(step="drain", host="1"), Noted(step="drain", host="1", message="30 s to go")]
    again = [StepStarted(step="drain", host="1"), StepFinished(step="drain", host="1"), StepStarted(step="patch")]
    found = bars([item for item in recorded(*begun, Noted(step="-", message="taken up"), *again) if item.seq != 2], [2])
    assert found == [
        Bar("drain", "1", AT, AT + timedelta(seconds=10), "cut"),
        Bar("drain", "1", AT + timedelta(seconds=30), AT + timedelta(seconds=40), "done"),
        Bar("patch", "", AT + timedelta(seconds=50), None, "open"),
    ]
    assert (found[0].seconds, found[1].seconds) == (None, 10.0)
    assert [row[3] for row in drawn(found, 200)] == ["cut", "", "open"]
    last = AT + timedelta(seconds=20)
    assert bars(recorded(*again), over=True)[-1] == Bar("patch", "", last, last, "cut")


def test_a_run_that_was_taken_up_shows_what_was_cut_short_before(books: Books) -> None:
    journal = Journal(books.engine)
    again = journal.resume(books.patch)
    list(again.record([StepStarted(step="patch", title="Patch the host", host="i-2")]))
    assert [line.split()[-3:-1] for line in books.told(books.patch).splitlines() if "i-2" in line] == [
        ["i-2", "cut"], ["i-2", "open"],
    ]  # fmt: skip
    again.finish("stopped")
    assert "open" not in books.told(books.patch)


TWO = [
    Bar("a", "", AT, AT + timedelta(seconds=10), "done"),
    Bar("b", "", AT + timedelta(seconds=10), AT + timedelta(seconds=20), "failed"),
]


@pytest.mark.parametrize(("room", "half"), [(200, 20), (43, 5), (35, 0)])
def test_bars_share_one_scale_in_the_room_that_is_left(room: int, half: int) -> None:
    first, second = drawn(TWO, room)
    assert (first[-1], second[-1]) == ("█" * half, " " * half + "▒" * half)
    assert (first[3], second[3]) == ("", "failed")


@pytest.mark.parametrize("room", [50, 60, 80, 120])
def test_no_bar_goes_over_two_lines(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(room))
    monkeypatch.setattr(sys, "stdout", Terminal())
    title = "The new host makes itself complete"
    shown = [Bar(title, "i-0123456789abcdef0", one.began_at, one.ended_at, one.state) for one in TWO]
    lines = [line for line in table(COLUMNS, drawn(shown, room)).splitlines() if "█" in line or "▒" in line]
    assert len(lines) == (2 if room > 60 else 0)
    assert all(title in line for line in lines) == (room != 80)


def test_a_run_says_first_what_it_came_to(books: Books) -> None:
    assert books.told(books.drill).splitlines()[:3] == [
        f"{books.drill}: done",
        *(line for line in books.told(books.drill).splitlines() if line.startswith("instance loss web of dev, ")),
        "RTO 12.5 s (), objective none declared",
    ]


def test_a_run_that_was_cut_short_says_what_goes_on_with_it(books: Books) -> None:
    with books.engine.begin() as db:
        db.exec_driver_sql("update runs set pid_started = 'long ago'")
    shown = books.told(books.patch)
    assert shown.startswith(f"{books.patch}: interrupted\nweb of dev, ")
    assert " to ? UTC, by " in shown
    assert "\nremedy: ops patch resume web, or ops patch recover web\n" in shown


def test_no_steps_are_no_bars() -> None:
    assert drawn([], 80) == []
