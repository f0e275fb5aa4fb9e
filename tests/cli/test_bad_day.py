"""Bad days: of each, what the user sees, and that nothing of the journal is lost.

In each a patch cycle is under way, and the trouble comes between its first step and its second; or two schedulers
share a fleet. With real processes: ``tests/cli/test_scheduler.py``, ``tests/cli/test_killed.py``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from quartermaster.cli import main
from quartermaster.cli.errors import guarded
from quartermaster.cli.options import Options
from quartermaster.cli.scheduler_turn import Scheduler
from quartermaster.cli.session import Session
from quartermaster.fleet import journal as journals
from quartermaster.fleet import store
from quartermaster.fleet.chain import Line
from quartermaster.fleet.events import Noted, StepFinished, StepStarted
from tests.cli.unattended import STEP, Faked, World, at, made, run
from tests.webhook import answering

if TYPE_CHECKING:
    from tests.postgres_server import Server

SHORT = timedelta(seconds=0.3)


@dataclass
class Ground:
    """A fleet with a finished run in its journal, and what a day may need to go wrong."""

    ops: Session
    request: pytest.FixtureRequest
    monkeypatch: pytest.MonkeyPatch
    before: list[Line] = field(default_factory=list)
    """What the journal held when the cycle began."""
    done: list[str] = field(default_factory=list)
    """Steps that the command was told are written down."""
    over: list[Callable[[], object]] = field(default_factory=list)
    """What ends the trouble."""

    def ops_said(self, *words: str) -> int:
        return main.run([*words, "--fleet", str(self.ops.fleet_file)])

    def patched(self, trouble: Callable[[], object]) -> int:
        """The exit status of a patch cycle in the middle of which the trouble comes."""

        def work(_: list[str]) -> int:
            self.before = list(self.ops.journal.lines())
            with self.ops.run("patch", subject="web", scopes=["dev/cluster/web"]) as (run, _lease):
                for event in run.record([StepStarted(step="drain"), StepFinished(step="drain", seconds=30.0)]):
                    self.done.append(f"{event.kind} {event.step}")
                trouble()
                for event in run.record([Noted(step="patch", message="what apt says " * 5000)]):
                    self.done.append(f"{event.kind} {event.step}")
                run.finish("done", {"hosts": []})
            return 0

        return guarded(work, [])

    def writer(self) -> sa.Connection:
        """Somebody else who writes the same journal, and has not ended yet."""
        other = store.open_engine(self.ops.workspace.database).connect()
        other.exec_driver_sql("select 1")  # begins, as writers do
        self.over += [other.rollback, other.engine.dispose]
        return other


def locked_for_long(ground: Ground) -> int:
    ground.monkeypatch.setattr(store, "_PATIENCE", SHORT)
    return ground.patched(ground.writer)


def locked_for_a_moment(ground: Ground) -> int:
    return ground.patched(lambda: threading.Timer(SHORT.total_seconds(), ground.writer().rollback).start())


def disk_full(ground: Ground) -> int:
    def fill() -> None:
        # SQLite's own limit: it says the same as when the file system has no room.
        sa.event.listen(ground.ops.journal.engine, "begin", _no_room)
        ground.over.append(lambda: sa.event.remove(ground.ops.journal.engine, "begin", _no_room))
        ground.over.append(ground.ops.journal.engine.dispose)

    return ground.patched(fill)


def _no_room(connection: sa.Connection) -> None:
    connection.exec_driver_sql("pragma max_page_count=1")


def clock_set_back(ground: Ground) -> int:
    class Back(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(hours=5)  # type: ignore[arg-type]

    status = ground.patched(lambda: ground.monkeypatch.setattr(journals, "datetime", Back))
    assert ground.ops_said("history", "--since", "6h") == 0
    return status


def journal_edited(ground: Ground) -> int:
    def edit() -> None:
        with ground.ops.journal.engine.begin() as db:
            db.execute(sa.text("update events set record = replace(record, '30.0', '31.0')"))

    assert ground.patched(edit) == 0
    ground.over.append(ground.ops.journal.engine.dispose)
    assert ground.ops_said("history", ground.ops.journal.runs("patch", limit=1)[0].id) == 1
    assert ground.ops_said("history", ground.ops.journal.runs("drill")[0].id) == 0, "the other run's lines stand"
    return ground.ops_said("history", "verify")


def told_nobody(ground: Ground) -> int:
    with answering() as hook:
        hook.answer = 503
        ground.monkeypatch.setenv("NOTIFY_URL", hook.url)
        ground.monkeypatch.setattr("quartermaster.cli.notify_worker.nudge", lambda _ops: None)
        file = ground.ops.fleet_file
        channel = 'notify: [{kind: webhook, url: secret:NOTIFY_URL, on: ["patch.*"]}]\n'
        file.write_text(file.read_text() + channel, encoding="utf-8")
        assert ground.ops_said("notify", "send") == 0
        status = ground.patched(lambda: None)
        for _ in range(2):
            assert ground.ops_said("notify", "send") == 0
        hook.answer = 200
        ground.ops_said("notify", "list")
        with ground.ops.journal.engine.begin() as db:  # the next try is due
            db.exec_driver_sql("update deliveries set next_at = '2020-01-01T00:00:00+00:00' where what != 'since'")
        for _ in range(2):
            assert ground.ops_said("notify", "send") == 0
        assert [item["title"] for item in hook.got] == ["shop/dev: patch of web: done"], "told, and once"
    return status


def postgres_restarted(ground: Ground) -> int:
    server = _in_postgres(ground)

    def restart() -> None:
        server.stop()
        back = threading.Thread(target=lambda: (time.sleep(SHORT.total_seconds()), server.start()))
        back.start()
        ground.over.append(back.join)

    return ground.patched(restart)


def postgres_away(ground: Ground) -> int:
    server = _in_postgres(ground)
    ground.monkeypatch.setattr(store, "_PATIENCE", SHORT)
    ground.over.append(server.start)
    return ground.patched(server.stop)


def _in_postgres(ground: Ground) -> Server:
    server: Server = ground.request.getfixturevalue("server")
    ground.monkeypatch.setenv("JOURNAL_URL", server.database())
    file = ground.ops.fleet_file
    file.write_text(file.read_text() + "stacks: {dev: {journal: secret:JOURNAL_URL}}\n", encoding="utf-8")
    ground.ops = Session(Options(fleet=file))
    ground.ops.journal.start("drill", stack="dev", subject="instance_loss web").finish("done")
    return server


def two_schedulers(ground: Ground) -> int:
    world = _world(ground)
    first, second = Scheduler(world, "prod"), Scheduler(world, "prod")
    run([first, second], at(1, 5))
    assert first.leads and not second.leads
    assert len(world.of("patch")) == 1
    first.leave()
    second.turn()
    assert second.leads and len(world.of("patch")) == 1
    return 0


def leader_killed(ground: Ground) -> int:
    world = _world(ground)
    first, second = Scheduler(world, "prod"), Scheduler(world, "prod")
    run([first, second], at(1, 2))
    assert world.of("patch", "run") == [at(1, 1)]
    run([second], at(1, 6))  # of the first nothing is heard any more
    assert second.leads
    assert (world.of("patch", "run"), len(world.of("patch", "resume"))) == ([at(1, 1)], 1)
    assert Faked.at - world.of("patch", "resume")[0] >= STEP
    return 0


def _world(ground: Ground) -> World:
    (ground.ops.workspace.root / "unattended").mkdir()
    world = made(ground.ops.workspace.root / "unattended", ground.monkeypatch)
    ground.ops.__dict__["journal"] = world.journal
    return world


@dataclass(frozen=True)
class Day:
    """A row of the table."""

    bad: Callable[[Ground], int]
    exits: int
    says: tuple[str, ...]
    """Patterns of what the user sees."""
    state: str
    """Of the run, once all is well again; empty: there is none."""
    edited: bool = False


LOCKED = (r"ops\.db: database is locked", "remedy: another ops writes for long: ops lease list")
FULL = (r"ops\.db: database or disk is full", "remedy: make room on its disk")
EDITED = (r"line \d+: it was edited", r"line \d+ of patch-\S+ was edited", "remedy: ops history verify")
AWAY = (r"the journal at 127.0.0.1/journal_\w+ went away: ", "remedy: run it again once it is up")
DAYS = (
    Day(locked_for_long, 1, LOCKED, "running"),
    Day(locked_for_a_moment, 0, (), "done"),
    Day(disk_full, 1, FULL, "failed|running"),
    Day(clock_set_back, 0, ("instance loss web",), "done"),
    Day(journal_edited, 1, EDITED, "done", edited=True),
    Day(told_nobody, 0, ("1 wait for another try", "503", "waiting"), "done"),
    Day(postgres_restarted, 0, (), "done"),
    Day(postgres_away, 1, AWAY, "running"),
    Day(two_schedulers, 0, ("standby: ",), ""),
    Day(leader_killed, 0, ("leads the schedule of prod",), ""),
)


@pytest.fixture
def ground(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n", encoding="utf-8")
    found = Ground(Session(Options(fleet=tmp_path / "fleet.yaml")), request, monkeypatch)
    found.ops.journal.start("drill", stack="dev", subject="instance_loss web").finish("done")
    found.ops.journal.engine.dispose()
    del found.ops.__dict__["journal"]  # opened anew by what the day lets it know
    yield found
    found.ops.journal.engine.dispose()


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(day, id=day.bad.__name__, marks=[pytest.mark.postgres] * day.bad.__name__.startswith("postgres"))
        for day in DAYS
    ],
)
def test_on_a_bad_day_the_user_is_told_and_nothing_is_lost(
    day: Day, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    status = day.bad(ground)
    said = "".join(capsys.readouterr())
    assert status == day.exits, said
    assert {words for words in day.says if not re.search(words, said)} == set(), said
    assert "Traceback" not in said
    for end in ground.over:
        end()

    journal = ground.ops.journal
    if not day.edited:
        assert journal.broken_at() is None
        assert list(journal.lines())[: len(ground.before)] == ground.before
    if day.state:
        (row,) = journal.runs("patch")
        assert re.fullmatch(day.state, row.state)
        kept = [f"{item.event.kind} {item.event.step}" for item in journal.events(row.id)]
        assert kept == ground.done, "what was told to be written is there, and no more"
    again = journal.start("patch", stack="dev", subject="web")
    again.finish("done")
    assert journal.run(again.id).state == "done", "and work goes on"
