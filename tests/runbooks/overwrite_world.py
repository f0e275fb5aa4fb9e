"""A database and a copy of it on two real PostgreSQL servers, with RDS played: what restored data take the place of."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import StepFinished
from quartermaster.fleet.schema import read_text
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks.backups import Restored
from quartermaster.runbooks.overwrite import Overwriting
from quartermaster.runbooks.recovery_points import Choice, RecoveryPoint
from quartermaster.runbooks.restorer import Restorer
from tests.postgres_server import PASSWORD

if TYPE_CHECKING:
    from quartermaster.fleet.databases import DatabaseState

NOW = datetime.now(UTC)
THEN = NOW - timedelta(hours=1)
FLEET = "fleet: shop\ndatabases: {orders: {}}\nrecovery: {checks: {orders: ['select count(*) >= 3 from orders']}}\n"


def ask(name: str, to: Login, statement: str, *, seconds: float) -> str:
    """As `psql` is asked everywhere, but for TLS, which these servers do not speak."""
    assert name == "orders"
    where = f"host={to.host} port={to.port} user={to.user} dbname={to.database}"
    done = subprocess.run(
        ["psql", where, "-XAtqv", "ON_ERROR_STOP=1"], input=statement.replace("sslmode=require", ""), text=True,
        capture_output=True, check=False, timeout=seconds, env={**os.environ, "PGPASSWORD": to.password},
    )  # fmt: skip
    if done.returncode:
        raise OpsError(done.stderr)
    return done.stdout.strip()


@dataclass
class World:
    """RDS with the original and what is restored of it, and who asks both."""

    original: Login
    copy: Login
    storage: int = 2**40
    there: bool = False
    ordered: list[str] = field(default_factory=list)

    def points(self, name: str) -> list[RecoveryPoint]:
        return [RecoveryPoint("db-A", "continuous", NOW, THEN, "eu-west-1", None, True, "", None, "available")]

    def instance(self, name: str) -> str:
        return f"shop-dev-{name}"

    def storage_bytes(self, name: str) -> int:
        return self.storage

    def take(self, name: str, called: str) -> str:
        self.ordered.append(called)
        return called

    def taken(self, name: str, ordered: str) -> RecoveryPoint:
        return self.points(name)[0]

    def restore(self, name: str, choice: Choice) -> None:
        assert choice.to == THEN
        self.there = True

    def restored(self, name: str) -> Restored | None:
        return (
            Restored("shop-dev-drill-orders", "available", self.copy.host, self.copy.port, "") if self.there else None
        )

    def password(self, instance: str, password: str) -> None:
        assert password == PASSWORD

    def remove(self, name: str) -> bool:
        was, self.there = self.there, False
        return was

    def state(self, name: str) -> DatabaseState:
        whole: Any = State()
        return whole

    def sql(self, statement: str, to: Login | None = None) -> str:
        return ask("orders", to or self.original, statement, seconds=30)

    def names(self) -> list[str]:
        """The databases of the original's server that are of this test."""
        listed = f"select datname from pg_database where datname like '{self.original.database}%' order by 1"
        return self.sql(listed, replace(self.original, database="postgres")).split()


@dataclass(frozen=True)
class State:
    whole: bool = True
    standby_zone: str = "eu-west-1b"


def overwriting(world: World, run: str = "R1") -> Overwriting:
    backups: Any = world
    clock = Clock()
    fleet = read_text(FLEET).fleet
    restorer = Restorer(backups, fleet, lambda _: world.original, clock, ask)
    return Overwriting(restorer, world, "orders", clock, run=run, poll=0)


class Clock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None: ...


def detail(events: Iterator[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        found |= dict(event.detail) if isinstance(event, StepFinished) else {}
    return found
