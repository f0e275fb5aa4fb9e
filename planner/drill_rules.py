"""Which hours the rules leave a drill, and where they leave none, exactly which of them stand in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet import holidays
from quartermaster.fleet.maintenance import windows
from quartermaster.fleet.windows import Window, parse_clock
from quartermaster.planner.drill_needs import Need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quartermaster.fleet.schema import Fleet

__all__ = ["RULES", "Rules", "fewest"]

RULES = ("cadence", "hours", "holidays", "freezes", "patch windows", "backup windows")
"""Bit i of a mask says that rule i forbids the hour."""
_CADENCE, _HOURS = 1, 2
_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BACKUP = timedelta(hours=1)
"""That a backup may take from the time its rule names."""

Span = tuple[datetime, datetime]


class Rules:
    """The rules of a fleet over a stretch of time.

    ``starts`` are the instants at which drills may begin, as minutes since 1970 UTC: each whole hour, and the hours
    counted from when people's hours open.
    """

    def __init__(self, fleet: Fleet, start: datetime, end: datetime) -> None:
        self._fleet, self._start, self._end = fleet, start, end
        self._hours = fleet.recovery.hours.occurrences(start, end, fleet.tz)
        opened = [
            at for opens, closes in self._hours for at in _hourly(opens + max(timedelta(), start - opens), closes)
        ]
        self.starts: NDArray[np.int64] = np.unique(_minutes([*_hourly(start, end), *opened]))
        self._patched: Callable[[str], list[Span]] = cache(self._patches)
        self._backed_up: Callable[[str], list[Span]] = cache(self._backups)
        self._blocked: Callable[[timedelta, frozenset[str]], NDArray[np.uint8]] = cache(self._mask)

    def forbidden(self, need: Need) -> NDArray[np.uint8]:
        """For each of ``starts`` the mask of rules that forbid the need to begin then; 0: allowed."""
        opens, closes = (self._midnight(day) for day in (need.opens, need.closes + timedelta(days=1)))
        low, high = _minutes([opens, closes])
        outside = (self.starts < low) | (self.starts >= high)
        return self._blocked(need.length, need.touched) | np.where(outside, _CADENCE, 0).astype(np.uint8)

    def leave_later(self, need: Need) -> bool:
        """Whether they leave the need an hour that its cadence allows after this stretch of time."""
        closes = self._midnight(need.closes + timedelta(days=1))
        return closes > self._end and not Rules(self._fleet, self._end, closes).forbidden(need).all()

    def told(self, need: Need, rule: str) -> str:
        """The rule in words, with what of it concerns the need."""
        cadence = f"every {need.every_days} days ± {need.tolerance_days}"
        between = f"from {need.opens} to {need.closes}"
        if rule == "cadence":
            return f"cadence: {cadence} is {between}"
        if rule == "hours":
            return f"hours: {self._fleet.recovery.hours} leaves no {_length(need.length)} {between}"
        if rule == "holidays":
            named = [f"{day} ({name})" for day, name in self._holidays() if need.opens <= day <= need.closes]
            return f"public holidays of {self._fleet.holiday_code}: {', '.join(named)}"
        if rule == "freezes":
            named = [
                f"{f.from_} to {f.to} ({f.why or 'freeze'})"
                for f in self._fleet.freezes
                if f.from_ <= need.closes and f.to >= need.opens
            ]
            return f"freezes: {'; '.join(named)}"
        spans = self._patched if rule == "patch windows" else self._backed_up
        return f"{rule} of {', '.join(name for name in sorted(need.touched) if spans(name))}"

    def _mask(self, length: timedelta, touched: frozenset[str]) -> NDArray[np.uint8]:
        """Of the rules that do not depend on the run."""
        ends = self.starts + length // _MINUTE
        blocked = (
            (2, [(self._midnight(day), self._midnight(day + timedelta(days=1))) for day, _ in self._holidays()]),
            (3, [(self._midnight(f.from_), self._midnight(f.to + timedelta(days=1))) for f in self._fleet.freezes]),
            (4, [span for name in sorted(touched) for span in self._patched(name)]),
            (5, [span for name in sorted(touched) for span in self._backed_up(name)]),
        )
        opens, closes = _bounds(self._hours)
        within = np.searchsorted(opens, self.starts, "right") - 1
        inside = (within >= 0) & (np.append(closes, 0)[within] >= ends)
        mask = np.where(inside, 0, _HOURS).astype(np.uint8)
        for bit, spans in blocked:
            first, last = _bounds(_apart(spans))
            overlaps = np.searchsorted(first, ends, "left") > np.searchsorted(last, self.starts, "right")
            mask |= np.where(overlaps, 1 << bit, 0).astype(np.uint8)
        return mask

    def _holidays(self) -> list[tuple[date, str]]:
        code = self._fleet.holiday_code
        years = range(self._start.year, self._end.year + 1) if code else ()
        return [item for year in years for item in holidays.named(code, year).items()]

    def _patches(self, name: str) -> list[Span]:
        """Declared patch windows, and those in which RDS works on a database. ``always`` reserves no hour."""
        postgres = name in self._fleet.postgres
        window = self._fleet.patching_of(name).window
        if window.always or not (name in self._fleet.patching or postgres):
            return []
        return window.occurrences(self._start, self._end, self._fleet.tz)

    def _backups(self, name: str) -> list[Span]:
        """When the rules back a database up, and when RDS does."""
        if name not in self._fleet.databases:
            return []
        zone, out = self._fleet.tz, list[Span]()
        for rule in self._fleet.backups.rules:
            at = parse_clock(rule.at)
            window = Window.parse(f"{rule.at}-{_clock(at + _BACKUP)}")
            found = window.occurrences(self._start, self._end, zone)
            out += [span for span in found if rule.on in (None, span[0].astimezone(zone).day)]
        if name in self._fleet.postgres:
            nightly = windows(self._fleet.patching_of(name).window, self._fleet.backups.rules, zone, self._start)
            out += Window.parse(nightly.backup).occurrences(self._start, self._end, UTC)
        return out

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._fleet.tz).astimezone(UTC)


def fewest(masks: Iterable[int]) -> list[tuple[str, ...]]:
    """The smallest sets of rules whose removal leaves an hour; empty where there is no hour at all."""
    found = sorted({int(mask) for mask in masks}, key=lambda mask: (mask.bit_count(), mask))
    least = found[0].bit_count() if found else 0
    return [
        tuple(rule for bit, rule in enumerate(RULES) if mask >> bit & 1) for mask in found if mask.bit_count() == least
    ]


def _hourly(start: datetime, end: datetime) -> Iterable[datetime]:
    return (start + timedelta(hours=i) for i in range(max(0, -((start - end) // timedelta(hours=1)))))


def _minutes(instants: Sequence[datetime]) -> NDArray[np.int64]:
    return np.array([(at - _EPOCH) // _MINUTE for at in instants], dtype=np.int64)


def _bounds(spans: Sequence[Span]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return _minutes([a for a, _ in spans]), _minutes([b for _, b in spans])


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The same time in order, without overlaps."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _clock(at: timedelta) -> str:
    minutes = at // _MINUTE % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _length(length: timedelta) -> str:
    return f"{length // _MINUTE} minutes"
