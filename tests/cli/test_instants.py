"""Instants that people type: what is meant, and what is refused, whatever it is."""

from datetime import UTC, datetime

import pytest

from quartermaster.cli.instants import instant
from quartermaster.fleet.errors import InputError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("12h", datetime(2026, 3, 1, tzinfo=UTC)),
        ("1d", datetime(2026, 2, 28, 12, tzinfo=UTC)),
    ],
)
def test_an_instant_is_one_of_utc(text: str, meant: datetime) -> None:
    assert instant(text, NOW) == meant
    assert instant(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["soon", "", "d", "\u00b2d", "9" * 12 + "d", "9" * 5000 + "m", "0001-01-01T00:00:00+14:00", "2026-02-30"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--since"):
        instant(text, NOW)
