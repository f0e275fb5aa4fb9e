"""What is on when: patch windows, drills, backups, freezes and holidays of a stack, as entries of one calendar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from quartermaster.fleet import holidays
from quartermaster.fleet.windows import Window, parse_clock

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.planner.drill_schedule import ScheduledDrill

__all__ = ["FROZEN", "Entry", "agenda", "drill_entries"]

FROZEN = "frozen: no patching"
"""Note of a window that a freeze shuts."""
_DAY = timedelta(days=1)
_BACKUP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the calendar."""

    kind: str
    """drill, patch, backup, freeze or holiday."""
    title: str
    starts_at: datetime
    ends_at: datetime
    uid: str
    """Stays when its hour moves: calendars that had it before move it, too."""
    note: str = ""
    whole_days: bool = False
    """From midnight to midnight of the fleet's time zone."""


def agenda(fleet: Fleet, stack: str, drills: Iterable[ScheduledDrill], start: datetime, end: datetime) -> list[Entry]:
    """All that touches ``[start, end)``, in order of time. Pure."""
    found = [
        *drill_entries(fleet, stack, drills),
        *_patches(fleet, stack, start, end),
        *_backups(fleet, stack, start, end),
        *_days_off(fleet, stack, start, end),
    ]
    touching = [entry for entry in found if entry.starts_at < end and entry.ends_at > start]
    return sorted(touching, key=lambda entry: (entry.starts_at, not entry.whole_days, entry.kind, entry.title))


def drill_entries(fleet: Fleet, stack: str, drills: Iterable[ScheduledDrill]) -> Sequence[Entry]:
    """The drills of a schedule."""
    return [
        Entry(
            "drill",
            f"{drill.kind} {drill.of}",
            drill.starts_at,
            drill.ends_at,
            _uid(fleet, stack, "drill", drill.kind, drill.of, str(drill.number)),
            f"{drill.why}\nrunner-up: {drill.runner_up}" if drill.runner_up else drill.why,
        )
        for drill in drills
    ]


def _patches(fleet: Fleet, stack: str, start: datetime, end: datetime) -> Iterator[Entry]:
    """Declared windows; ``always`` is on no particular day."""
    for name, patching in fleet.patching.items():
        if patching.window.always:
            continue
        for opens, closes in patching.window.occurrences(start, end, fleet.tz):
            day = opens.astimezone(fleet.tz).date()
            uid = _uid(fleet, stack, "patch", name, f"{opens.astimezone(fleet.tz):%Y%m%d%H%M}")
            note = FROZEN if _frozen(fleet, day) else f"ops patch run {name}"
            yield Entry("patch", f"patch {name}", opens, closes, uid, note)


def _backups(fleet: Fleet, stack: str, start: datetime, end: datetime) -> Iterator[Entry]:
    for rule in fleet.backups.rules if fleet.databases else ():
        minutes = (parse_clock(rule.at) + _BACKUP) // timedelta(minutes=1) % (24 * 60)
        window = Window.parse(f"{rule.at}-{minutes // 60:02}:{minutes % 60:02}")
        for opens, closes in window.occurrences(start, end, fleet.tz):
            day = opens.astimezone(fleet.tz)
            if rule.on in (None, day.day):
                uid = _uid(fleet, stack, "backup", rule.name, f"{day:%Y%m%d}")
                yield Entry("backup", f"backup {rule.name}", opens, closes, uid, f"kept {rule.keep_days} days")


def _days_off(fleet: Fleet, stack: str, start: datetime, end: datetime) -> Iterator[Entry]:
    for freeze in fleet.freezes:
        uid = _uid(fleet, stack, "freeze", f"{freeze.from_:%Y%m%d}")
        yield _whole(fleet, "freeze", f"freeze: {freeze.why}".rstrip(": "), freeze.from_, freeze.to, uid)
    code = fleet.holiday_code
    for year in range(start.year, end.year + 1) if code else ():
        for day, name in holidays.named(code, year).items():
            yield _whole(fleet, "holiday", name, day, day, _uid(fleet, stack, "holiday", code, f"{day:%Y%m%d}"))


def _whole(fleet: Fleet, kind: str, title: str, first: date, last: date, uid: str) -> Entry:
    opens, closes = (datetime.combine(day, time(), fleet.tz).astimezone(UTC) for day in (first, last + _DAY))
    return Entry(kind, title, opens, closes, uid, whole_days=True)


def _frozen(fleet: Fleet, day: date) -> bool:
    return any(freeze.from_ <= day <= freeze.to for freeze in fleet.freezes)


def _uid(fleet: Fleet, stack: str, *parts: str) -> str:
    return f"{'-'.join((fleet.fleet, stack, *parts))}@quartermaster"
