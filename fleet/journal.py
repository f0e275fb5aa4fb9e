"""The journal: the ordered, durable, hash-chained record of every run.

Each event is committed before the consumer's generator goes on (see events.py), so after ``kill -9`` the
journal names the step that was under way. ``prior_hash`` chains the lines of all runs (see chain.py), what each was
given and came to included: an edited line shows.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from quartermaster.fleet.audit import audit, last_hash, lines
from quartermaster.fleet.chain import CLOSED, OPENED, RESUMED, Broken, Line, digest, written
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, Json, from_record, to_record
from quartermaster.fleet.processes import process_alive, process_started
from quartermaster.fleet.store import open_engine, open_url, reading
from quartermaster.fleet.tables import events as _events
from quartermaster.fleet.tables import runs as _runs

__all__ = ["Journal", "Recorded", "Run", "RunRow"]

_OWN = (OPENED, RESUMED, CLOSED)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the journal holds it."""

    id: str
    kind: str
    stack: str
    subject: str
    state: str
    """running, done, failed, stopped or recovered."""
    started_at: datetime
    ended_at: datetime | None
    owner: str
    host: str
    pid: int
    pid_started: str
    inputs: Mapping[str, Json]
    result: Mapping[str, Json] | None

    @property
    def interrupted(self) -> bool:
        """Still *running* in the journal although its process on this host is gone."""
        here = self.state == "running" and self.host == socket.gethostname()
        return here and not process_alive(self.pid, self.pid_started)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with the time it was written down."""

    at: datetime
    event: Event
    hash: str
    seq: int
    """Of its line in the journal."""
    run: str


class Run:
    """A run under way; writes to the journal."""

    def __init__(self, journal: Journal, run_id: str) -> None:
        self._journal = journal
        self.id = run_id
        self.finished = False
        """Whether this process has closed it."""

    def record(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on, each committed to the journal first; those that follow one another at once, together."""
        waiting: list[Event] = []
        try:
            for event in events:
                waiting.append(event)
                if not event.more:
                    batch, waiting = waiting, []
                    self._journal.add(self.id, *batch)
                    yield from batch
        finally:
            if waiting:  # the last of them was refused: of what came before it some is done
                self._journal.add(self.id, *waiting)

    def finish(self, state: str, result: Mapping[str, Json] | None = None) -> None:
        """Close the run as done, failed, stopped or recovered, with its result."""
        self._journal._finish(self.id, state, result)
        self.finished = True


class Journal:
    """Runs and their events, in a database that ``store`` opened."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.heard: Callable[[], None] = lambda: None
        """Called when a run has begun or ended."""

    @classmethod
    def open(cls, path: Path) -> Journal:
        """The journal in a SQLite file. Creates it."""
        return cls(open_engine(path))

    @classmethod
    def at(cls, url: str) -> Journal:
        """The journal in a PostgreSQL database, its tables made where there are none."""
        return cls(open_url(url))

    @property
    def engine(self) -> sa.Engine:
        """The database, shared with the leases."""
        return self._engine

    def start(self, kind: str, *, stack: str, subject: str = "", inputs: Mapping[str, Json] | None = None) -> Run:
        """A new run. Its id sorts by time."""
        now = datetime.now(UTC)
        run_id = f"{kind}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        about = {"kind": kind, "stack": stack, "subject": subject}
        process, given = _this_process(), dict(inputs or {})
        with self._engine.begin() as db:
            db.execute(
                _runs.insert().values(
                    id=run_id, state="running", started_at=_iso(now), owner=getpass.getuser(), inputs=given,
                    **about, **process,
                )
            )  # fmt: skip
            _append(db, run_id, {"kind": OPENED, "inputs": given})
        self.heard()
        return Run(self, run_id)

    def resume(self, run_id: str) -> Run:
        """Take an interrupted or stopped run over: this process owns it now."""
        process = _this_process()
        with self._engine.begin() as db:
            db.execute(_runs.update().where(_runs.c.id == run_id).values(state="running", ended_at=None, **process))
            _append(db, run_id, {"kind": RESUMED, **process})
        return Run(self, run_id)

    def runs(
        self,
        kind: str = "",
        *,
        stack: str = "",
        subject: str = "",
        states: Collection[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        each: int | None = None,
    ) -> list[RunRow]:
        """Runs, newest first: those in one of the states, that started in [since, until), so many. Read-only.

        ``each``: of each subject so many.
        """
        query = sa.select(_runs).where(*_within(_runs.c.started_at, since, until)).order_by(_runs.c.started_at.desc())
        query = query.limit(limit)
        if states:
            query = query.where(_runs.c.state.in_(states))
        for column, value in ((_runs.c.kind, kind), (_runs.c.stack, stack), (_runs.c.subject, subject)):
            if value:
                query = query.where(column == value)
        if each is not None:
            place = sa.func.row_number().over(partition_by=_runs.c.subject, order_by=_runs.c.started_at.desc())
            ranked = query.with_only_columns(_runs.c.id, place.label("place")).subquery()
            newest = sa.select(ranked.c.id).where(ranked.c.place <= each)
            query = sa.select(_runs).where(_runs.c.id.in_(newest)).order_by(_runs.c.started_at.desc())
        with reading(self._engine) as db:
            return [_run_row(row) for row in db.execute(query)]

    def unfinished(self, kind: str, *, stack: str = "", subject: str = "") -> list[RunRow]:
        """Runs that were cut short or stopped, and that nobody has taken up since, newest first. Read-only."""
        rows = self.runs(kind, stack=stack, subject=subject, states=("running", "stopped"))
        return [row for row in rows if row.interrupted or row.state == "stopped"]

    def run(self, run_id: str) -> RunRow:
        """One run. Raises KeyError when there is none of that id."""
        with reading(self._engine) as db:
            row = db.execute(sa.select(_runs).where(_runs.c.id == run_id)).first()
        if row is None:
            raise KeyError(f"no run {run_id!r} in the journal")
        return _run_row(row)

    def add(self, run_id: str, *events: Event) -> None:
        """Write events into a run, all or none; also into one that another process carries out: a word to it."""
        with self._engine.begin() as db:
            _append(db, run_id, *map(to_record, events))

    def events(
        self,
        run_id: str = "",
        *,
        step: str = "",
        host: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Recorded]:
        """The events of one run in order, or of all; of one step, about one host, in [since, until). Read-only."""
        query = sa.select(_events).where(*_within(_events.c.at, since, until)).order_by(_events.c.seq)
        if run_id:
            query = query.where(_events.c.run == run_id)
        for key, value in (("step", step), ("host", host)):
            if value:
                query = query.where(_events.c.record.contains(f'"{key}": {json.dumps(value)}', autoescape=True))
        with reading(self._engine) as db:
            found = [_recorded(row) for row in db.execute(query)]
        return [item for item in found if item is not None and (not host or item.event.host == host)]

    def last(self, run_id: str) -> Recorded | None:
        """The newest event of the run; None before its first. Read-only."""
        query = sa.select(_events).where(_events.c.run == run_id).order_by(_events.c.seq.desc())
        with reading(self._engine) as db, db.execute(query, execution_options={"yield_per": 4}) as rows:
            return next((found for row in rows if (found := _recorded(row))), None)

    def taken_up(self, run_id: str) -> list[int]:
        """The lines at which somebody went on with the run, in order. Read-only."""
        wanted = (_events.c.run == run_id, _events.c.record.contains(f'"kind": "{RESUMED}"', autoescape=True))
        with reading(self._engine) as db:
            rows = db.execute(sa.select(_events.c.seq, _events.c.record).where(*wanted).order_by(_events.c.seq))
            return [row.seq for row in rows if json.loads(row.record)["kind"] == RESUMED]

    def lines(self, run_id: str = "", *, between: bool = False) -> Iterator[Line]:
        """Every line as it is written down, or those of one run, in order; ``between``: what lies between them too."""
        with reading(self._engine) as db:
            yield from lines(db, run_id, between)

    def newest(self, count: int) -> list[Line]:
        """So many of the last lines, in order. Read-only."""
        query = sa.select(_events).order_by(_events.c.seq.desc()).limit(count)
        with reading(self._engine) as db:
            rows = list(db.execute(query))
        return [Line(row.seq, row.run, row.at, row.record, row.prior_hash, row.hash) for row in reversed(rows)]

    def head(self) -> tuple[int, str]:
        """How many lines there are, and the hash of the last; empty without one. Read-only."""
        with reading(self._engine) as db:
            count = db.execute(sa.select(sa.func.count()).select_from(_events)).scalar_one()
            return count, last_hash(db)

    def broken_at(self) -> Broken | None:
        """The first line that does not follow from those before, or tells otherwise of its run than the list does."""
        with reading(self._engine) as db:
            return audit(db)

    def _finish(self, run_id: str, state: str, result: Mapping[str, Json] | None) -> None:
        ended = {"state": state, "result": dict(result or {})}
        with self._engine.begin() as db:
            db.execute(_runs.update().where(_runs.c.id == run_id).values(ended_at=_iso(datetime.now(UTC)), **ended))
            _append(db, run_id, {"kind": CLOSED, **ended})
        self.heard()


def _append(db: sa.Connection, run_id: str, *told: Mapping[str, Json]) -> None:
    """Write lines, chained to the last one: nobody else writes within this transaction."""
    at, prior = _iso(datetime.now(UTC)), last_hash(db)
    rows = []
    for line in told:
        record = written(line)
        rows.append({"run": run_id, "at": at, "record": record, "prior_hash": prior})
        prior = rows[-1]["hash"] = digest(prior, run_id, at, record)
    db.execute(_events.insert(), rows)


def _recorded(row: sa.Row[Any]) -> Recorded | None:
    """The event of a line; None of one that is the journal's own. Raises OpsError for what is no event any more."""
    try:
        record = json.loads(row.record)
        if record["kind"] in _OWN:
            return None
        return Recorded(datetime.fromisoformat(row.at), from_record(record), row.hash, row.seq, row.run)
    except (KeyError, TypeError, ValueError) as exc:
        raise OpsError(f"line {row.seq} of the journal is no event", remedy="ops history verify") from exc


def _within(column: sa.Column[Any], since: datetime | None, until: datetime | None) -> list[sa.ColumnElement[bool]]:
    from_then = [] if since is None else [column >= _iso(since)]
    return from_then if until is None else [*from_then, column < _iso(until)]


def _iso(at: datetime) -> str:
    """As text that sorts by time, whatever the database's collation: all of one length."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _this_process() -> dict[str, Json]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "pid_started": process_started(os.getpid())}


def _run_row(row: sa.Row[Any]) -> RunRow:
    values = dict(row._mapping)
    values["started_at"] = datetime.fromisoformat(values["started_at"])
    values["ended_at"] = datetime.fromisoformat(values["ended_at"]) if values["ended_at"] else None
    return RunRow(**values)
