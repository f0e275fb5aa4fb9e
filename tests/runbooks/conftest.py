"""Fixtures of the drills: a journal with its leases in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quartermaster.fleet.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "ops.db")
    yield opened
    opened.engine.dispose()
