"""A row that is written twice a second on a database's primary: what a restore brings of it tells how much was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.write_probe import Login

__all__ = ["EVERY_SECONDS", "beat", "newest"]

EVERY_SECONDS = 0.5
"""Between beats nothing is known: what was lost is told too large by so much at most, and by what a beat is late.
So they come twice in the second to which it is promised."""
_TABLE = "ops_heartbeat"
_MAKE = f"create table if not exists {_TABLE} (id int primary key, at timestamptz not null)"
_BEAT = f"insert into {_TABLE} values (1, clock_timestamp()) on conflict (id) do update set at = excluded.at"
_TRY_SECONDS = 5
_NEWEST = f"""select case when to_regclass('{_TABLE}') is not null then (xpath('/row/at/text()',
  query_to_xml('select extract(epoch from max(at)) as at from {_TABLE}', false, true, '')))[1]::text end,
  extract(epoch from clock_timestamp())"""


def newest(ask: Callable[[str], str]) -> tuple[datetime | None, datetime]:
    """The newest beat in the database, None where there never was one; and what its server's clock says, as beats are
    by that one and not by ours. Read-only. Raises OpsError."""
    # The second query stands in the first's answer, as a table that is not there cannot be named; and a greatest there
    # always is, if only as nothing: without a row there was no XML to look into between the table's making and a beat.
    said = ask(_NEWEST).partition("|")
    return _instant(said[0]) if said[0] else None, _instant(said[2])


def beat(login_of: Callable[[], Login], over: threading.Event) -> Iterator[str]:
    """Write beats until told to stop; what goes wrong, each time that it changes.

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


def _instant(epoch: str) -> datetime:
    return datetime.fromtimestamp(float(epoch), UTC)
