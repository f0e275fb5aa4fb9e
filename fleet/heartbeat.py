"""A row that is written once a second on a database's primary: what a restore brings of it tells how much was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.write_probe import Login, ask

__all__ = ["EVERY_SECONDS", "beat", "newest"]

EVERY_SECONDS = 1.0
_TABLE = "ops_heartbeat"
_MAKE = f"create table if not exists {_TABLE} (id int primary key, at timestamptz not null)"
_BEAT = f"insert into {_TABLE} values (1, clock_timestamp()) on conflict (id) do update set at = excluded.at"
_TRY_SECONDS = 5


def newest(login: Login) -> datetime | None:
    """The newest beat in the database, None where there never was one. Read-only. Raises OpsError."""
    if not ask(login, f"select to_regclass('{_TABLE}')", seconds=30):
        return None
    said = ask(login, f"select extract(epoch from at) from {_TABLE}", seconds=30)
    return datetime.fromtimestamp(float(said), UTC) if said else None


def beat(login_of: Callable[[], Login], over: threading.Event) -> Iterator[str]:
    """Write a beat each second until told to stop; what goes wrong, each time that it changes.

    ``login_of`` is asked at every new connection, as passwords are rotated.
    """
    import psycopg

    told = ""
    while not over.is_set():
        try:
            login = login_of()
            with psycopg.connect(
                host=login.host, port=login.port, dbname=login.database, user=login.user, password=login.password,
                sslmode="require", connect_timeout=_TRY_SECONDS, autocommit=True,
            ) as connection:  # fmt: skip
                connection.execute(_MAKE)
                due = time.monotonic()
                # By the clock, not from the end of one to the next: a slow commit delays none of those after it.
                while not over.wait(max(0.0, due - time.monotonic())):
                    connection.execute(_BEAT)
                    due = max(due + EVERY_SECONDS, time.monotonic())
                    if told:
                        told = ""
                        yield "it beats again"
        except (psycopg.Error, OpsError) as exc:
            if str(exc) != told:
                told = str(exc)
                yield told
            over.wait(EVERY_SECONDS)
