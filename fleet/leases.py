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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from quartermaster.fleet.errors import InputError, LeaseHeld, LeaseLost, OpsError
from quartermaster.fleet.events import Event, StepStarted
from quartermaster.fleet.processes import process_alive, process_started
from quartermaster.fleet.store import reading
from quartermaster.fleet.tables import leases as _leases

__all__ = ["TERM", "Book", "Lease", "LeaseRow", "Leases", "overlap"]

T = TypeVar("T")
TERM = timedelta(seconds=60)
_BEAT_SECONDS = 15.0


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


class Book(Protocol):
    """A store of leases as one change sees it."""

    def open(self) -> list[LeaseRow]:
        """Leases that have not ended, oldest first."""
        ...

    def add(self, row: LeaseRow) -> int:
        """Write a lease down; its token, larger than any before."""
        ...

    def renew(self, tokens: Sequence[int], now: datetime) -> None:
        """Let those of these leases that have not ended or expired bind for another term."""
        ...

    def end(self, tokens: Sequence[int], how: str) -> None:
        """End these leases."""
        ...


class Leases:
    """The lease store, in the journal's database: for one machine, or as many as share that database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def held(self) -> list[LeaseRow]:
        """Leases that bind others now, oldest first. Read-only."""
        now = datetime.now(UTC)
        return [row for row in self._open() if row.holds(now)]

    @contextmanager
    def hold(self, scopes: Sequence[str], *, run: str) -> Iterator[Lease]:
        """Hold all scopes or none, with a heartbeat until the block ends.

        Raises LeaseHeld, naming the holder, when one overlaps with a lease that binds.
        """
        tokens = self._change(lambda book: _grant(book, scopes, run))
        lease = Lease(self, tokens)
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(tokens, stop), daemon=True, name="lease-heartbeat")
        beat.start()
        try:
            yield lease
        finally:
            stop.set()
            beat.join()
            with suppress(OpsError):  # a store out of reach: the lease expires by itself
                self._change(lambda book: book.end(tokens, "released"))

    def break_scope(self, scope: str, *, reason: str) -> list[LeaseRow]:
        """End the leases that overlap with ``scope`` by hand. Raises InputError without a reason."""
        if not reason.strip():
            raise InputError("breaking a lease needs a reason", remedy="--reason 'why it is safe'")

        def end(book: Book) -> list[LeaseRow]:
            broken = [row for row in book.open() if overlap(row.scope, scope)]
            book.end([row.token for row in broken], f"broken: {reason}")
            return broken

        return self._change(end)

    def binding(self, tokens: Sequence[int]) -> set[int]:
        """Those of the tokens whose leases still bind. Read-only."""
        now = datetime.now(UTC)
        return {row.token for row in self._open() if row.token in tokens and row.expires_at > now}

    def _beat(self, tokens: Sequence[int], stop: threading.Event) -> None:
        while not stop.wait(_BEAT_SECONDS):
            now = datetime.now(UTC)
            # A store that does not answer now may do so the next time; if not, the lease expires, and that is noticed.
            with suppress(OpsError):
                self._change(lambda book: book.renew(tokens, now))  # noqa: B023 - called at once

    def _open(self) -> list[LeaseRow]:
        """Leases that have not ended, oldest first; some may have expired."""
        with reading(self._engine) as db:
            return _Rows(db).open()

    def _change(self, act: Callable[[Book], T]) -> T:
        """Let ``act`` change the store in one go, or not at all where it raises."""
        with self._engine.begin() as db:
            return act(_Rows(db))


class _Rows:
    """A book in a database, within one transaction."""

    def __init__(self, db: sa.Connection) -> None:
        self._db = db

    def open(self) -> list[LeaseRow]:
        query = sa.select(_leases).where(_leases.c.ended == "").order_by(_leases.c.token)
        return [_lease_row(row) for row in self._db.execute(query)]

    def add(self, row: LeaseRow) -> int:
        values = {**asdict(row), "heartbeat_at": row.heartbeat_at.isoformat(), "expires_at": row.expires_at.isoformat()}
        del values["token"]
        made = self._db.execute(_leases.insert().values(**values, ended="")).inserted_primary_key
        assert made is not None
        return int(made[0])

    def renew(self, tokens: Sequence[int], now: datetime) -> None:
        ours = (_leases.c.token.in_(tokens), _leases.c.ended == "", _leases.c.expires_at > now.isoformat())
        until = (now + TERM).isoformat()
        self._db.execute(_leases.update().where(*ours).values(heartbeat_at=now.isoformat(), expires_at=until))

    def end(self, tokens: Sequence[int], how: str) -> None:
        ours = (_leases.c.token.in_(tokens), _leases.c.ended == "")
        self._db.execute(_leases.update().where(*ours).values(ended=how))


def _grant(book: Book, scopes: Sequence[str], run: str) -> list[int]:
    now = datetime.now(UTC)
    for row in book.open():
        wanted = next((scope for scope in scopes if overlap(scope, row.scope)), None)
        if wanted is None:
            continue
        if row.holds(now):
            raise LeaseHeld(
                f"{wanted} is in use: run {row.run} by {row.owner} on {row.host} (pid {row.pid}) holds "
                f"{row.scope}, last heartbeat {row.heartbeat_at:%H:%M:%S} UTC",
                remedy="wait for it, or `ops lease break --reason …` if you know that it is gone",
            )
        book.end([row.token], "recovered: owner gone")
    return [
        book.add(
            LeaseRow(
                token=0,
                scope=scope,
                run=run,
                owner=getpass.getuser(),
                host=socket.gethostname(),
                pid=os.getpid(),
                pid_started=process_started(os.getpid()),
                heartbeat_at=now,
                expires_at=now + TERM,
            )
        )
        for scope in scopes
    ]


class Lease:
    """Scopes that this process holds."""

    def __init__(self, store: Leases, tokens: Sequence[int]) -> None:
        self._store = store
        self.tokens = tuple(tokens)

    def check(self) -> None:
        """Raises LeaseLost unless every token still binds. Call before each act."""
        if self._store.binding(self.tokens) != set(self.tokens):
            raise LeaseLost(
                "our lease was broken or expired while we worked; nothing more was done",
                remedy="look who works there now (`ops status`), then resume",
            )

    def renew(self) -> None:
        """Let it bind for another term, beside its heartbeat. Raises LeaseLost where it no longer does."""
        self._store._change(lambda book: book.renew(self.tokens, datetime.now(UTC)))
        self.check()

    def fenced(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on; check the lease before a started step goes on to act."""
        acts = False
        for event in events:
            acts = acts or isinstance(event, StepStarted)
            if acts and not event.more:
                self.check()
                acts = False
            yield event


def _lease_row(row: sa.Row[Any]) -> LeaseRow:
    values = dict(row._mapping)
    values.pop("ended")
    for name in ("heartbeat_at", "expires_at"):
        values[name] = datetime.fromisoformat(values[name])
    return LeaseRow(**values)
