"""When RDS may work on a database: its weekly maintenance window and its daily backup window, in UTC. Pure.

fleet.yaml says windows in the fleet's time zone; RDS takes hours of UTC that stay while clocks change. So the
window asked for is what both halves of the year have in common: ``Sun 01:00-05:00`` in Dublin becomes
``sun:01:00-sun:04:00``, which is inside the four hours in winter and in summer. Where that leaves less than half
an hour, the offset of today counts, and the first `up` after the clocks change moves the window with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from quartermaster.fleet.schema.safety import BackupRule
from quartermaster.fleet.windows import DAYS, Window, parse_clock

__all__ = ["Windows", "windows"]

_DAY = 24 * 60
_WEEK = 7 * _DAY
_LEAST = 30
"""Minutes of either window. https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html"""
_MOST = 4 * 60
"""Longer helps nobody: RDS begins its work when the window opens."""
_BACKUP = 60
_APART = 60
"""Minutes that backups keep from maintenance and from each other, where the day has room for it."""
_EVENING = 21 * 60
"""Of people: from here on a free hour for backups is looked for."""
_ALWAYS = Window.parse("Sun 01:00-05:00")


@dataclass(frozen=True, slots=True)
class Windows:
    """As RDS spells them, in UTC."""

    maintenance: str
    """``sun:01:00-sun:04:00``"""
    backup: str
    """``21:00-22:00``"""


def windows(window: Window, rules: Iterable[BackupRule], zone: tzinfo, now: datetime) -> Windows:
    """The windows of a database: maintenance inside ``window``, backups apart from it and from the vault's rules."""
    offsets = _offsets(zone, now)
    start, length = _common(window, offsets) or _today(window, zone, now)
    length = min(length, _MOST)
    busy = [(start % _DAY, length)]
    taken = [
        ((parse_clock(rule.at) // timedelta(minutes=1) - offset) % _DAY, _BACKUP)
        for rule in rules
        for offset in offsets
    ]
    first = (_EVENING - max(offsets)) % _DAY
    hours = [(first + step) % _DAY for step in range(0, _DAY, 30)]
    # Maintenance lasts a quarter of the day at most, so the last resort always finds one.
    resorts = (([*busy, *taken], _APART), (busy, _APART), (busy, 0))
    backup = next(hour for kept, apart in resorts for hour in hours if _keeps(hour, kept, apart))
    return Windows(f"{_weekly(start)}-{_weekly(start + length)}", f"{_clock(backup)}-{_clock(backup + _BACKUP)}")


def _offsets(zone: tzinfo, now: datetime) -> Sequence[int]:
    """Minutes ahead of UTC that the zone's clocks are in the course of a year. None stays for less than a week."""
    return sorted({_offset(zone, now + timedelta(weeks=week)) for week in range(53)})


def _offset(zone: tzinfo, at: datetime) -> int:
    return (at.astimezone(UTC).astimezone(zone).utcoffset() or timedelta()) // timedelta(minutes=1)


def _asked(window: Window) -> tuple[int, int]:
    """(start in minutes from Monday 00:00 of people, length) of a database's one window a week."""
    span = (window if window.spans else _ALWAYS).spans[0]
    start = min(span.days) * _DAY + span.start // timedelta(minutes=1)
    return start, (span.stop - span.start) // timedelta(minutes=1)


def _common(window: Window, offsets: Sequence[int]) -> tuple[int, int] | None:
    """What the window has in common under all offsets, in minutes of the week in UTC."""
    start, length = _asked(window)
    common = length - (max(offsets) - min(offsets))
    return ((start - min(offsets)) % _WEEK, common) if common >= _LEAST else None


def _today(window: Window, zone: tzinfo, now: datetime) -> tuple[int, int]:
    start, length = _asked(window)
    return (start - _offset(zone, now)) % _WEEK, max(length, _LEAST)


def _keeps(hour: int, busy: Iterable[tuple[int, int]], apart: int) -> bool:
    """Whether a backup that starts then keeps ``apart`` minutes from all that is busy."""
    return all(
        (hour - start) % _DAY >= length + apart and (start - hour) % _DAY >= _BACKUP + apart for start, length in busy
    )


def _weekly(minute: int) -> str:
    return f"{DAYS[minute % _WEEK // _DAY].lower()}:{_clock(minute)}"


def _clock(minute: int) -> str:
    return f"{minute % _DAY // 60:02}:{minute % 60:02}"
