"""The journal: written before the act, durable, chained, and telling of runs that were cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from quartermaster.fleet.errors import LeaseLost, OpsError
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted, from_record, to_record
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.processes import process_alive, process_started

EVENTS = [
    StepStarted(step="drain", host="i-1", zone="eu-west-1a", undo={"min": 3}),
    Noted(step="drain", message="30 s to go", level="warning"),
    StepFinished(step="drain", host="i-1", seconds=30.5, changed=False, detail={"open": 0}),
    StepFailed(step="patch", title="Patch the host", error="no space"),
]


@pytest.fixture
def journal(engine: sa.Engine) -> Journal:
    return Journal(engine)


def opened(place: str) -> Journal:
    """The journal once more, as another process would have it."""
    return Journal.at(place) if "://" in place else Journal.open(Path(place))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_events_come_back_from_their_records(event: Event) -> None:
    assert from_record(to_record(event)) == event


def test_recorded_events_are_read_in_order(journal: Journal) -> None:
    run = journal.start("patch", stack="dev", subject="web", inputs={"wave": "25%"})
    assert list(run.record(EVENTS)) == EVENTS
    assert [recorded.event for recorded in journal.events(run.id)] == EVENTS
    row = journal.run(run.id)
    assert (row.kind, row.stack, row.subject, row.state, row.inputs) == (
        "patch",
        "dev",
        "web",
        "running",
        {"wave": "25%"},
    )


def test_step_is_written_down_before_the_generator_acts(journal: Journal, place: str) -> None:
    run = journal.start("patch", stack="dev")
    seen: list[str] = []

    def work() -> Iterator[Event]:
        yield EVENTS[0]
        other = opened(place)  # what another process would read at this moment
        seen.extend(recorded.event.step for recorded in other.events(run.id))
        other.engine.dispose()

    list(run.record(work()))
    assert seen == ["drain"]


def test_events_that_follow_at_once_are_one_write_before_anybody_acts(journal: Journal, place: str) -> None:
    run = journal.start("patch", stack="dev")
    written: list[int] = []
    sa.event.listen(journal.engine, "commit", lambda _: written.append(1))

    def work() -> Iterator[Event]:
        yield replace(EVENTS[2], more=True)
        yield replace(EVENTS[1], more=True)
        yield EVENTS[0]
        other = opened(place)
        assert [recorded.event for recorded in other.events(run.id)] == [EVENTS[2], EVENTS[1], EVENTS[0]]
        other.engine.dispose()

    assert list(run.record(work())) == [EVENTS[2], EVENTS[1], EVENTS[0]]
    assert len(written) == 1 and journal.broken_at() is None


def test_what_was_done_is_written_down_though_the_act_that_follows_is_refused(journal: Journal) -> None:
    run = journal.start("patch", stack="dev")

    def work() -> Iterator[Event]:
        yield replace(EVENTS[2], more=True)
        raise LeaseLost("broken")

    with pytest.raises(LeaseLost):
        list(run.record(work()))
    assert [recorded.event for recorded in journal.events(run.id)] == [EVENTS[2]]


def test_the_last_event_of_a_run_is_read_alone(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = journal.start("patch", stack="dev"), journal.start("patch", stack="dev")
    assert journal.last(run.id) is None
    journal.add(run.id, *(StepStarted(step=f"step {n}") for n in range(100)))
    journal.add(other.id, Noted(step="elsewhere", message=""))
    run.finish("stopped")
    journal.resume(run.id).finish("stopped")
    read: list[object] = []
    monkeypatch.setattr(
        "quartermaster.fleet.journal.from_record", lambda record: read.append(record) or from_record(record)
    )
    found = journal.last(run.id)
    assert found is not None and found.event == StepStarted(step="step 99")
    assert found == journal.events(run.id)[-1] and len(read) == 101


def test_finished_run_keeps_its_result(journal: Journal) -> None:
    run = journal.start("patch", stack="dev")
    run.finish("done", {"hosts": 3})
    row = journal.run(run.id)
    assert (row.state, row.result, row.interrupted) == ("done", {"hosts": 3}, False)
    assert row.ended_at is not None


def test_of_each_subject_the_newest_runs_are_listed(journal: Journal) -> None:
    began = [
        (subject, journal.start("patch", stack="dev", subject=subject)) for subject in ("web", "api", "web", "web")
    ]
    journal.start("drill", stack="dev", subject="web")
    began[3][1].finish("failed")
    listed = [(row.subject, row.id) for row in journal.runs("patch", stack="dev", each=2)]
    assert sorted(listed) == sorted((subject, run.id) for subject, run in began[1:])
    assert [row.subject for row in journal.runs("patch", states=("running",), each=1)] == ["web", "api"]


def test_runs_that_nobody_goes_on_with_are_unfinished(journal: Journal) -> None:
    begun = {state: journal.start("patch", stack="dev", subject="web") for state in ("stopped", "done", "running")}
    begun["stopped"].finish("stopped")
    begun["done"].finish("done")
    cut = journal.start("patch", stack="dev", subject="web")
    with journal.engine.begin() as db:
        db.execute(sa.text("update runs set pid_started = '0' where id = :id"), {"id": cut.id})
    journal.start("drill", stack="dev", subject="web").finish("stopped")
    assert {row.id for row in journal.unfinished("patch", stack="dev")} == {begun["stopped"].id, cut.id}
    assert journal.unfinished("patch", stack="dev", subject="api") == []


def test_unknown_run_is_named(journal: Journal) -> None:
    with pytest.raises(KeyError, match="patch-1"):
        journal.run("patch-1")


@pytest.mark.parametrize(
    "edit",
    [
        "update events set record = replace(record, '30.5', '3.5') where seq = 4",
        "update events set at = '2026-01-01' where seq = 4",
        "delete from events where seq = 3",
        "update events set run = 'other' where seq = 4",
        "update events set seq = 9 where seq = 3",
        'update events set record = \'{"kind": "closed"\' where seq = 4',
    ],
)
def test_edited_journal_shows(journal: Journal, edit: str) -> None:
    list(journal.start("patch", stack="dev").record(EVENTS))
    assert journal.broken_at() is None
    with journal.engine.begin() as db:
        db.execute(sa.text(edit))
    found = journal.broken_at()
    assert found is not None and found.line == 4


@pytest.mark.parametrize("record", ['{"kind": "started"', '{"kind": "strange"}', "[]"])
def test_a_line_that_is_no_event_any_more_is_named(journal: Journal, record: str) -> None:
    list(journal.start("patch", stack="dev").record(EVENTS))
    with journal.engine.begin() as db:
        db.execute(sa.text("update events set record = :record where seq = 3"), {"record": record})
    with pytest.raises(OpsError, match=r"^line 3 of the journal is no event$") as told:
        journal.events()
    assert told.value.remedy == "ops history verify"


@pytest.mark.parametrize(
    ("edit", "line", "why"),
    [
        ("update runs set state = 'failed'", 8, "came to"),
        ("update runs set result = '{\"rto_seconds\": 1}'", 8, "came to"),
        ("update runs set inputs = '{\"wave\": 1}'", 1, "given"),
        ("delete from events where seq = 8", 1, "came to"),
        ("insert into runs select 'drill-1', kind, stack, subject, state, started_at, ended_at, owner, host, pid, "
         "pid_started, inputs, result from runs", 0, "no line opens it"),
    ],
)  # fmt: skip
def test_what_a_run_was_given_and_came_to_cannot_be_edited_either(
    journal: Journal, edit: str, line: int, why: str
) -> None:
    run = journal.start("patch", stack="dev", inputs={"wave": "25%"})
    list(run.record(EVENTS))
    run.finish("stopped")
    journal.resume(run.id).finish("done", {"rto_seconds": 9})
    assert journal.broken_at() is None
    with journal.engine.begin() as db:
        db.execute(sa.text(edit))
    found = journal.broken_at()
    assert found is not None and found.line == line and why in found.why


def test_a_result_that_is_no_number_is_no_edit(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "other.db")
    journal.start("patch", stack="dev", inputs={"rate": float("nan"), "wave": 1.0}).finish(
        "done", {"rate": float("nan")}
    )
    assert journal.broken_at() is None
    journal.engine.dispose()


def test_chain_holds_over_runs_and_openings(journal: Journal, place: str) -> None:
    one, other = journal.start("patch", stack="dev"), journal.start("drill", stack="dev")
    list(one.record(EVENTS[:2]))
    list(other.record(EVENTS[:1]))
    list(one.record(EVENTS[2:]))
    again = opened(place)
    assert again.broken_at() is None
    again.engine.dispose()


def test_many_writers_keep_one_chain(journal: Journal) -> None:
    def write() -> None:
        list(journal.start("patch", stack="dev").record(EVENTS * 5))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert journal.broken_at() is None


def test_reader_does_not_wait_for_a_writer(journal: Journal) -> None:
    run = journal.start("patch", stack="dev")
    list(run.record(EVENTS[:1]))
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(len(journal.events(run.id))))
    with journal.engine.begin() as db:
        db.execute(sa.text("update runs set subject = 'web'"))
        reader.start()
        reader.join(timeout=25)  # less than a writer would be waited for
        while_writing = list(found)
    reader.join()
    assert while_writing == [1]


CUT_OFF = """
import sys, time
from pathlib import Path
from quartermaster.fleet.events import StepStarted
from quartermaster.fleet.journal import Journal

place = sys.argv[1]
run = (Journal.at(place) if "://" in place else Journal.open(Path(place))).start("patch", stack="dev")

def work():
    yield StepStarted(step="drain", undo={"min": 3})
    sys.stdout.write(run.id + "\\n")
    sys.stdout.flush()
    time.sleep(60)

list(run.record(work()))
"""


def test_killed_run_is_seen_as_interrupted_with_the_step_it_was_at(journal: Journal, place: str) -> None:
    with subprocess.Popen([sys.executable, "-c", CUT_OFF, place], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        assert not journal.run(run_id).interrupted
        process.send_signal(signal.SIGKILL)
    assert journal.run(run_id).interrupted
    [last] = journal.events(run_id)
    assert last.event == StepStarted(step="drain", undo={"min": 3})
    assert journal.broken_at() is None


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = process_started(process.pid)
        assert process_alive(process.pid, started)
        assert not process_alive(process.pid, "1")
        process.kill()
    assert not process_alive(process.pid, started)
