"""The database of journal and leases: a SQLite file, or PostgreSQL by URL for as many machines as share it.

Writers queue at the door in both, so whoever reads and then writes within one transaction is alone. The schema has a
number; steps lead from each to the next, and a number that this version does not know is refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from quartermaster.fleet.audit import last_hash
from quartermaster.fleet.chain import CLOSED, OPENED, digest, written
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.tables import deliveries, events, leases, readings, runs, updates_seen

__all__ = ["SCHEMA", "open_engine", "open_url", "reading"]

_version = sa.Table("schema_version", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False))
_DOOR = 0x6F7073
"""The advisory lock that writers of a PostgreSQL journal queue at: "ops"."""
_ROOM = 2**18
"""Bytes that SQLite maps and logs into; it dies of a bus error where the disk has no room for what it mapped."""
_CONNECT_SECONDS = 10
_PATIENCE = timedelta(seconds=30)
"""How long a server that answered before may be away until work stops, and how long SQLite waits for a writer."""


def open_engine(path: Path) -> sa.Engine:
    """SQLite in WAL mode with full sync: a committed event survives a lost host, and readers never block.

    Creates the file, or brings its schema up to date. Raises OpsError where its disk is full.
    """
    disk = os.statvfs(path.parent)
    if disk.f_bfree * disk.f_frsize < _ROOM:
        raise OpsError(f"the journal at {path}: its disk is full", remedy="make room on its disk")
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _PATIENCE.total_seconds()})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin by hand: pysqlite's own begin is deferred
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads, then writes, fails as "locked".
        connection.exec_driver_sql("begin" if _reads(connection) else "begin immediate")

    _told(engine, str(path))
    return _migrated(engine)


def open_url(url: str) -> sa.Engine:
    """The same tables in PostgreSQL. Raises InputError for no such URL, OpsError when the server does not answer.

    The URL may hold a password: it is in no message.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise InputError("the journal's URL is none", remedy="postgresql://USER@HOST/DATABASE") from exc
    if parsed.drivername not in ("postgresql", "postgres"):
        raise InputError(f"the journal cannot be kept in {parsed.drivername}", remedy="postgresql://USER@HOST/DATABASE")
    engine = sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )
    place = f"{parsed.host or 'this machine'}/{parsed.database or ''}"

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(
            "set transaction isolation level repeatable read, read only"  # all that is read is of one instant
            if _reads(connection)
            else f"select pg_advisory_xact_lock({_DOOR})"
        )

    _told(engine, place)
    _migrated(engine)
    sa.event.listen(engine, "do_connect", partial(_patiently, place))
    return engine


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection that only reads, so it does not wait for writers. A context manager."""
    return engine.connect().execution_options(reads=True)


def _told(engine: sa.Engine, place: str) -> None:
    """Let what the database refuses, or that it is away, be told as an OpsError: without the statement and the URL."""

    @sa.event.listens_for(engine, "handle_error")
    def _tell(context: sa.engine.ExceptionContext) -> None:
        error = context.original_exception
        told = str(error).strip().splitlines() or [type(error).__name__]
        if isinstance(context.sqlalchemy_exception, sa.exc.DBAPIError) and not context.is_pre_ping:
            raise OpsError(f"the journal at {place}: {told[0]}", remedy=_remedy(told[0])) from error


def _remedy(told: str) -> str:
    known = {
        "locked": "another ops writes for long: ops lease list tells which",
        "full": "make room on its disk",
        "disk I/O": "see whether its disk is full (df) or fails (dmesg)",
        "readonly": "its file and folder must be yours to write",
        "unable to open": "it must be a file, in a folder that is yours to write",
        "not a database": "something else wrote that file: move it away, and take the journal from a copy",
        "permission": "its user must be able to make and write tables",
    }
    return next((remedy for word, remedy in known.items() if word in told), "is it up, and its URL right?")


def _reads(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("reads", False))


def _patiently(place: str, dialect: Any, _record: object, args: Any, options: Any) -> Any:
    """Connect; to a server that answered before, again and again for a while. Raises OpsError."""
    end = time.monotonic() + _PATIENCE.total_seconds()
    while True:
        try:
            return dialect.connect(*args, **options)
        except dialect.loaded_dbapi.OperationalError as exc:
            if time.monotonic() >= end:
                reason = str(exc).strip().splitlines()[0]
                raise OpsError(
                    f"the journal at {place} went away: {reason}", remedy="run it again once it is up"
                ) from exc
            time.sleep(0.5)


def _tables(db: sa.Connection) -> None:
    """1: runs, their events, leases."""
    _made(db, runs, events, leases)


def _chained_runs(db: sa.Connection) -> None:
    """2: what a run was given and came to is in the chain too; runs from before are written into it as they stand.

    Events are looked up by time.
    """
    prior = last_hash(db)
    for row in db.execute(sa.select(runs).order_by(runs.c.started_at)).all():
        lines = [(row.started_at, {"kind": OPENED, "inputs": row.inputs})]
        if row.ended_at:
            lines.append((row.ended_at, {"kind": CLOSED, "state": row.state, "result": row.result}))
        for at, line in lines:
            record = written(line)
            prior, before = digest(prior, row.id, at, record), prior
            db.execute(events.insert().values(run=row.id, at=at, record=record, prior_hash=before, hash=prior))
    db.execute(sa.text("create index ix_events_at on events (at)"))


def _indexed_runs(db: sa.Connection) -> None:
    """3: runs are looked up by time, by what they were about and by state."""
    for columns in ("started_at", "kind, stack, subject, started_at", "state"):
        name = columns.replace(", ", "_")
        db.execute(sa.text(f"create index ix_runs_{name} on runs ({columns})"))


def _readings_and_deliveries(db: sa.Connection) -> None:
    """4: what hosts said of their updates, and who was told what; these tables had made themselves until then."""
    _made(db, updates_seen, readings, deliveries)


def _made(db: sa.Connection, *tables: sa.Table) -> None:
    for table in tables:
        table.create(db, checkfirst=True)


_STEPS: tuple[Callable[[sa.Connection], None], ...] = (
    _tables, _chained_runs, _indexed_runs, _readings_and_deliveries,
)  # fmt: skip
SCHEMA = len(_STEPS)
"""The schema that this version of ops works with."""


def _migrated(engine: sa.Engine) -> sa.Engine:
    """The engine, once its database has this version's schema. Raises InputError for one from a newer version."""
    with reading(engine) as db:
        found = _found(db)
    if found < SCHEMA:
        with engine.begin() as db:
            found = _found(db)  # somebody may have been quicker
            for step in _STEPS[found:]:
                step(db)
            _version.create(db, checkfirst=True)
            db.execute(_version.delete())
            db.execute(_version.insert().values(version=max(found, SCHEMA)))
    if found > SCHEMA:
        engine.dispose()
        raise InputError(
            f"the journal has schema {found}, from a newer ops; this one knows {SCHEMA}",
            remedy="update ops on this machine",
        )
    return engine


def _found(db: sa.Connection) -> int:
    """The number of the schema that is there; 0: none."""
    there = sa.inspect(db)
    if there.has_table("schema_version"):
        return int(db.execute(sa.select(_version.c.version)).scalar_one())
    return 1 if there.has_table("runs") else 0
