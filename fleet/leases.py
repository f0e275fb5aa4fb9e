"""One hand on a failure domain: leases over stack, cluster and zone.

A scope is a path: ``prod``, ``prod/cluster/web``, ``prod/zone/eu-west-1a``. Two scopes overlap when one is the
other or lies above it, so a lease on the stack excludes all work below it. Each grant carries a fencing token,
larger than any before; it is checked before each act, so an owner that lost its lease stops.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from quartermaster.fleet.errors import InputError, LeaseHeld, LeaseLost
from quartermaster.fleet.events import Event, StepStarted
from quartermaster.fleet.journal import process_alive, process_started, reading

__all__ = ["Lease", "LeaseRow", "Leases", "overlap"]

TERM = timedelta(seconds=60)
_BEAT_SECONDS = 15.0

_meta = sa.MetaData()
_leases = sa.Table(
    "leases",
    _meta,
    sa.Column("token", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String, nullable=False),
    sa.Column("heartbeat_at", sa.String, nullable=False),
    sa.Column("expires_at", sa.String, nullable=False),
    sa.Column("ended", sa.String, nullable=False, default=""),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease as the store holds it."""

    token: int
    scope: str
    run: str
    owner: str
    host: str
    pid: int
    pid_started: str
    heartbeat_at: datetime
    expires_at: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it still binds others: a dead owner's does not on its own host; elsewhere only expiry ends it."""
        if now >= self.expires_at:
            return False
        return self.host != socket.gethostname() or process_alive(self.pid, self.pid_started)


def overlap(one: str, other: str) -> bool:
    """Whether two scopes share a failure domain. Symmetric."""
    a, b = one.split("/"), other.split("/")
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared]


class Leases:
    """The lease store, in the journal's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        _meta.create_all(engine)

    def held(self) -> list[LeaseRow]:
        """Leases that bind others now, oldest first. Read-only."""
        now = datetime.now(UTC)
        with reading(self._engine) as db:
            return [row for row in self._open_rows(db) if row.holds(now)]

    @contextmanager
    def hold(self, scopes: Sequence[str], *, run: str) -> Iterator[Lease]:
        """Hold all scopes or none, with a heartbeat until the block ends.

        Raises LeaseHeld, naming the holder, when one overlaps with a lease that binds.
        """
        tokens = self._grant(scopes, run)
        lease = Lease(self, tokens)
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(tokens, stop), daemon=True, name="lease-heartbeat")
        beat.start()
        try:
            yield lease
        finally:
            stop.set()
            beat.join()
            self._end(tokens, "released")

    def break_scope(self, scope: str, *, reason: str) -> list[LeaseRow]:
        """End the leases that overlap with ``scope`` by hand. Raises InputError without a reason."""
        if not reason.strip():
            raise InputError("breaking a lease needs a reason", remedy="--reason 'why it is safe'")
        with self._engine.begin() as db:
            broken = [row for row in self._open_rows(db) if overlap(row.scope, scope)]
            for row in broken:
                db.execute(_leases.update().where(_leases.c.token == row.token).values(ended=f"broken: {reason}"))
        return broken

    def _grant(self, scopes: Sequence[str], run: str) -> list[int]:
        now = datetime.now(UTC)
        tokens: list[int] = []
        with self._engine.begin() as db:
            for row in self._open_rows(db):
                wanted = next((scope for scope in scopes if overlap(scope, row.scope)), None)
                if wanted is None:
                    continue
                if row.holds(now):
                    raise LeaseHeld(
                        f"{wanted} is in use: run {row.run} by {row.owner} on {row.host} (pid {row.pid}) holds "
                        f"{row.scope}, last heartbeat {row.heartbeat_at:%H:%M:%S} UTC",
                        remedy="wait for it, or `ops lease break --reason …` if you know that it is gone",
                    )
                db.execute(_leases.update().where(_leases.c.token == row.token).values(ended="recovered: owner gone"))
            for scope in scopes:
                result = db.execute(
                    _leases.insert().values(
                        scope=scope,
                        run=run,
                        owner=getpass.getuser(),
                        host=socket.gethostname(),
                        pid=os.getpid(),
                        pid_started=process_started(os.getpid()),
                        heartbeat_at=now.isoformat(),
                        expires_at=(now + TERM).isoformat(),
                        ended="",
                    )
                )
                assert result.inserted_primary_key is not None
                tokens.append(int(result.inserted_primary_key[0]))
        return tokens

    def _beat(self, tokens: Sequence[int], stop: threading.Event) -> None:
        while not stop.wait(_BEAT_SECONDS):
            now = datetime.now(UTC)
            with self._engine.begin() as db:
                db.execute(
                    _leases.update()
                    .where(
                        _leases.c.token.in_(tokens),
                        _leases.c.ended == "",
                        _leases.c.expires_at > now.isoformat(),
                    )
                    .values(heartbeat_at=now.isoformat(), expires_at=(now + TERM).isoformat())
                )

    def _end(self, tokens: Sequence[int], how: str) -> None:
        with self._engine.begin() as db:
            db.execute(_leases.update().where(_leases.c.token.in_(tokens), _leases.c.ended == "").values(ended=how))

    def _binding(self, tokens: Sequence[int]) -> set[int]:
        now = datetime.now(UTC)
        with reading(self._engine) as db:
            return {row.token for row in self._open_rows(db) if row.token in tokens and row.expires_at > now}

    def _open_rows(self, db: sa.Connection) -> list[LeaseRow]:
        query = sa.select(_leases).where(_leases.c.ended == "").order_by(_leases.c.token)
        return [_lease_row(row) for row in db.execute(query)]


class Lease:
    """Scopes that this process holds."""

    def __init__(self, store: Leases, tokens: Sequence[int]) -> None:
        self._store = store
        self.tokens = tuple(tokens)

    def check(self) -> None:
        """Raises LeaseLost unless every token still binds. Call before each act."""
        if self._store._binding(self.tokens) != set(self.tokens):
            raise LeaseLost(
                "our lease was broken or expired while we worked; nothing more was done",
                remedy="look who works there now (`ops status`), then resume",
            )

    def fenced(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on; check the lease before each started step goes on to act."""
        for event in events:
            if isinstance(event, StepStarted):
                self.check()
            yield event


def _lease_row(row: sa.Row[Any]) -> LeaseRow:
    values = dict(row._mapping)
    values.pop("ended")
    for name in ("heartbeat_at", "expires_at"):
        values[name] = datetime.fromisoformat(values[name])
    return LeaseRow(**values)
