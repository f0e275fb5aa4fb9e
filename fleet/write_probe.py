"""Writes to a database while it is worked on: how long it took none, and whether one that it confirmed is lost."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from quartermaster.fleet.errors import OpsError

__all__ = ["EVERY_SECONDS", "Login", "Measured", "Probe", "PsqlWriter", "Writer", "ask", "why_unreachable"]

EVERY_SECONDS = 0.2
"""From the end of one write to the next."""
_TRY_SECONDS = 2
"""A connection that is not there by then is none."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom to write."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    def where(self, connect_seconds: int = 10) -> str:
        """As PostgreSQL's clients take it. Without the password, which is in the environment of whoever asks."""
        return (
            f"host={self.host} port={self.port} user={self.user} dbname={self.database} sslmode=require "
            f"connect_timeout={connect_seconds}"
        )


class Writer(Protocol):
    """Writes numbers into a table of the run's own. All raise OpsError when the database does not do it."""

    def create(self) -> None: ...

    def write(self, number: int) -> None:
        """Returns when the database has confirmed it."""
        ...

    def count(self, numbers: Sequence[int]) -> int:
        """How many of the numbers are there."""
        ...

    def drop(self) -> None: ...


class PsqlWriter:
    """Writes with ``psql``, on a connection of its own each time, as an application does that has lost its own."""

    def __init__(self, login: Login, table: str) -> None:
        self._login, self._table = login, table

    def create(self) -> None:
        self._run(f'create table if not exists "{self._table}" (n bigint primary key)')

    def write(self, number: int) -> None:
        # A number whose confirmation was lost on the way may be there already.
        self._run(f'insert into "{self._table}" values ({number}) on conflict do nothing')

    def count(self, numbers: Sequence[int]) -> int:
        listed = ",".join(str(number) for number in numbers)
        return int(self._run(f'select count(*) from "{self._table}" where n in ({listed})'))

    def drop(self) -> None:
        self._run(f'drop table if exists "{self._table}"')

    def _run(self, statement: str) -> str:
        return ask(self._login, statement, seconds=3 * _TRY_SECONDS)


def ask(to: Login, statement: str, *, seconds: float) -> str:
    """What the database answers to a statement, a row a line, columns parted by ``|``. Raises OpsError."""
    try:
        done = subprocess.run(
            ["psql", to.where(_TRY_SECONDS), "-XAtqv", "ON_ERROR_STOP=1"],
            input=statement,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env={**os.environ, "PGPASSWORD": to.password, "PGOPTIONS": "-c client_min_messages=error"},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise OpsError(f"psql to {to.host}: {exc}", remedy="ops doctor: is psql on this machine?") from exc
    if done.returncode != 0:
        remedy = "put right what it says; ops status tells of the database"
        raise OpsError(f"psql to {to.host}: {done.stderr.strip()}", remedy=remedy)
    return done.stdout.strip()


def why_unreachable(login: Login) -> str:
    """Why there is no writing to it from here; empty when there is. Read-only."""
    if shutil.which("psql") is None:
        return "psql is not on this machine"
    try:
        socket.create_connection((login.host, login.port), _TRY_SECONDS).close()
    except OSError as exc:
        return f"no way to {login.host}:{login.port}: {exc}"
    return ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the writes met."""

    sent: int
    failed: int
    away_seconds: float
    """The longest time between two confirmed writes, less what passes between two anyway."""
    lost: int
    """Writes that were confirmed and are not there."""


class Probe:
    """Writes one number after another, in a thread of its own, until told to stop."""

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.monotonic) -> None:
        self._writer, self._clock = writer, clock
        self._over = threading.Event()
        self._confirmed: list[float] = []
        self._numbers: list[int] = []
        self._sent = 1
        """The first one, numbered 0, begins the count."""
        self._thread = threading.Thread(target=self._write, daemon=True, name="write-probe")

    def start(self) -> None:
        """Begin; returns after the first confirmed write. Raises OpsError when there is none."""
        self._writer.create()
        self._writer.write(0)
        self._confirmed.append(self._clock())
        self._numbers.append(0)
        self._thread.start()

    def confirmed(self) -> int:
        """How many writes were confirmed so far."""
        return len(self._confirmed)

    def silent_seconds(self) -> float:
        """For how long no write was confirmed."""
        return self._clock() - self._confirmed[-1]

    def halt(self) -> None:
        """Write no more."""
        self._over.set()

    def stop(self) -> Measured:
        """End, and look which of the confirmed writes are there. Raises OpsError when the database does not tell."""
        self.halt()
        self._thread.join(60)
        gaps = [later - earlier for earlier, later in zip(self._confirmed, self._confirmed[1:], strict=False)]
        usual = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
        away = max(gaps, default=0.0) - usual
        lost = len(self._numbers) - self._writer.count(self._numbers)
        return Measured(self._sent, self._sent - len(self._numbers), round(max(0.0, away), 3), lost)

    def _write(self) -> None:
        while not self._over.is_set():
            number, self._sent = self._sent, self._sent + 1
            with suppress(OpsError):
                self._writer.write(number)
                self._confirmed.append(self._clock())
                self._numbers.append(number)
            self._over.wait(EVERY_SECONDS)
