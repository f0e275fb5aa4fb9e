"""The stores that journal and leases may be kept in: a SQLite file, and a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from quartermaster.fleet.store import open_engine, open_url

if TYPE_CHECKING:
    from tests.postgres_server import Server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is to be: a path or a URL."""
    if request.param == "sqlite":
        return str(tmp_path / "ops.db")
    running: Server = request.getfixturevalue("server")
    return running.database()


@pytest.fixture
def engine(place: str) -> Iterator[sa.Engine]:
    """The store opened, its tables made."""
    opened = open_url(place) if "://" in place else open_engine(Path(place))
    yield opened
    opened.dispose()
