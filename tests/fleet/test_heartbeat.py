"""The newest beat, asked of a real PostgreSQL server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from quartermaster.fleet import heartbeat

if TYPE_CHECKING:
    from tests.postgres_server import Server


@pytest.mark.postgres
def test_the_newest_beat_is_told_at_every_moment_of_its_table(server: Server) -> None:
    with psycopg.connect(server.database(), autocommit=True) as connection:

        def ask(statement: str) -> str:
            row = connection.execute(statement).fetchone()
            assert row is not None
            return "|".join("" if value is None else str(value) for value in row)

        assert heartbeat.newest(ask)[0] is None
        connection.execute("create table ops_heartbeat (id int primary key, at timestamptz not null)")
        assert heartbeat.newest(ask)[0] is None
        connection.execute("insert into ops_heartbeat values (1, '2026-05-04T03:02:01.5Z')")
        beat, now = heartbeat.newest(ask)

    assert beat == datetime(2026, 5, 4, 3, 2, 1, 500_000, tzinfo=UTC)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
