"""The journal: the ordered, durable, hash-chained record of every run.

Each event is committed before the consumer's generator goes on (see events.py), so after ``kill -9`` the
journal names the step that was under way. ``prior_hash`` chains the events of all runs: an edited line shows.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from quartermaster.fleet.events import Event, Json, from_record, to_record

__all__ = ["Journal", "Recorded", "Run", "RunRow", "open_engine", "process_alive", "process_started", "reading"]

_meta = sa.MetaData()
_runs = sa.Table(
    "runs",
    _meta,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("stack", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("ended_at", sa.String),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON),
)
_events = sa.Table(
    "events",
    _meta,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run", sa.String, nullable=False, index=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("record", sa.String, nullable=False),
    sa.Column("prior_hash", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
)


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
        return (
            self.state == "running"
            and self.host == socket.gethostname()
            and not process_alive(self.pid, self.pid_started)
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with the time it was written down."""

    at: datetime
    event: Event
    hash: str


class Run:
    """A run under way; writes to the journal."""

    def __init__(self, journal: Journal, run_id: str) -> None:
        self._journal = journal
        self.id = run_id
        self.finished = False
        """Whether this process has closed it."""

    def record(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on, each committed to the journal first."""
        for event in events:
            self._journal._append(self.id, event)
            yield event

    def finish(self, state: str, result: Mapping[str, Json] | None = None) -> None:
        """Close the run as done, failed, stopped or recovered, with its result."""
        self._journal._finish(self.id, state, result)
        self.finished = True


class Journal:
    """Runs and their events in ``.ops/ops.db`` (or any SQLAlchemy URL)."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        _meta.create_all(engine)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """The journal in a SQLite file. Creates it."""
        return cls(open_engine(path))

    @property
    def engine(self) -> sa.Engine:
        """The database, shared with the leases."""
        return self._engine

    def start(self, kind: str, *, stack: str, subject: str = "", inputs: Mapping[str, Json] | None = None) -> Run:
        """A new run. Its id sorts by time."""
        now = datetime.now(UTC)
        run_id = f"{kind}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
        with self._engine.begin() as db:
            db.execute(
                _runs.insert().values(
                    id=run_id,
                    kind=kind,
                    stack=stack,
                    subject=subject,
                    state="running",
                    started_at=now.isoformat(),
                    owner=getpass.getuser(),
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    pid_started=process_started(os.getpid()),
                    inputs=dict(inputs or {}),
                )
            )
        return Run(self, run_id)

    def resume(self, run_id: str) -> Run:
        """Take an interrupted or stopped run over: this process owns it now."""
        with self._engine.begin() as db:
            db.execute(
                _runs.update()
                .where(_runs.c.id == run_id)
                .values(
                    state="running",
                    ended_at=None,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    pid_started=process_started(os.getpid()),
                )
            )
        return Run(self, run_id)

    def runs(self, kind: str = "", *, stack: str = "", subject: str = "") -> list[RunRow]:
        """Runs, newest first. Read-only."""
        query = sa.select(_runs).order_by(_runs.c.started_at.desc())
        for column, value in ((_runs.c.kind, kind), (_runs.c.stack, stack), (_runs.c.subject, subject)):
            if value:
                query = query.where(column == value)
        with reading(self._engine) as db:
            return [_run_row(row) for row in db.execute(query)]

    def run(self, run_id: str) -> RunRow:
        """One run. Raises KeyError when there is none of that id."""
        with reading(self._engine) as db:
            row = db.execute(sa.select(_runs).where(_runs.c.id == run_id)).first()
        if row is None:
            raise KeyError(f"no run {run_id!r} in the journal")
        return _run_row(row)

    def add(self, run_id: str, event: Event) -> None:
        """Write an event into a run that another process carries out: a word to it."""
        self._append(run_id, event)

    def events(self, run_id: str, *, step: str = "") -> list[Recorded]:
        """The events of one run in order, or those of one step. Read-only."""
        query = sa.select(_events).where(_events.c.run == run_id).order_by(_events.c.seq)
        if step:
            query = query.where(_events.c.record.contains(f'"step": {json.dumps(step)}', autoescape=True))
        with reading(self._engine) as db:
            return [
                Recorded(datetime.fromisoformat(row.at), from_record(json.loads(row.record)), row.hash)
                for row in db.execute(query)
            ]

    def broken_at(self) -> int | None:
        """The sequence number of the first event whose hash does not follow from what is written, or None."""
        prior = ""
        with reading(self._engine) as db:
            for row in db.execute(sa.select(_events).order_by(_events.c.seq)):
                if row.prior_hash != prior or row.hash != _digest(prior, row.run, row.at, row.record):
                    return int(row.seq)
                prior = row.hash
        return None

    def _append(self, run_id: str, event: Event) -> None:
        record = json.dumps(to_record(event), sort_keys=True, default=str)
        at = datetime.now(UTC).isoformat()
        with self._engine.begin() as db:
            last = db.execute(sa.select(_events.c.hash).order_by(_events.c.seq.desc()).limit(1)).scalar()
            prior = last or ""
            db.execute(
                _events.insert().values(
                    run=run_id,
                    at=at,
                    record=record,
                    prior_hash=prior,
                    hash=_digest(prior, run_id, at, record),
                )
            )

    def _finish(self, run_id: str, state: str, result: Mapping[str, Json] | None) -> None:
        with self._engine.begin() as db:
            db.execute(
                _runs.update()
                .where(_runs.c.id == run_id)
                .values(state=state, ended_at=datetime.now(UTC).isoformat(), result=dict(result or {}))
            )


def open_engine(path: Path) -> sa.Engine:
    """SQLite in WAL mode with full sync: a committed event survives a lost host, and readers never block."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin by hand: pysqlite's own begin is deferred
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # Writers queue at the door: a deferred transaction that reads, then writes, fails as "locked".
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("begin" if reads else "begin immediate")

    return engine


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection that only reads, so it does not wait for writers. A context manager."""
    return engine.connect().execution_options(reads=True)


def process_started(pid: int) -> str:
    """When the process started, in clock ticks since boot, as the kernel says; empty when it is gone.

    With the pid it names one process: pids are used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rsplit(")", 1)[1].split()
    return "" if fields[0] in "ZX" else fields[19]


def process_alive(pid: int, started: str) -> bool:
    """Whether that very process still runs on this host."""
    return bool(started) and process_started(pid) == started


def _digest(prior: str, run_id: str, at: str, record: str) -> str:
    return hashlib.sha256("\n".join((prior, run_id, at, record)).encode()).hexdigest()


def _run_row(row: sa.Row[Any]) -> RunRow:
    values = dict(row._mapping)
    values["started_at"] = datetime.fromisoformat(values["started_at"])
    values["ended_at"] = datetime.fromisoformat(values["ended_at"]) if values["ended_at"] else None
    return RunRow(**values)
