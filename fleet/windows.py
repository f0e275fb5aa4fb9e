"""Windows: hours of the week in which work may happen, read in people's time, answered in UTC.

    always                    no limit
    Sun 01:00-05:00           one day
    Mon-Thu 09:00-16:00       a run of days (Fri-Mon wraps over the week's end)
    Sat,Sun 22:00-02:00       past midnight: it ends on the next day; at most 12 hours, else it reads as reversed
    01:00-04:00               every day; 24:00 is the end of a day
    Sat 20:00-24:00; Sun 00:00-06:00    several, joined by semicolons

An instant is inside when the wall clock reads a time inside. So in the night when clocks go forward a window
over the lost hour is an hour shorter, and in the night when they go back an hour longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

__all__ = ["DAYS", "PATTERN", "Window", "parse_clock"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONGEST_NIGHT = timedelta(hours=12)
"""Longer past midnight than this and the two times were most likely swapped."""

_SPAN = r"(?:[A-Za-z,\- ]+ )?\d{1,2}:\d{2}-\d{1,2}:\d{2}"
PATTERN = rf"^(always|{_SPAN}(; *{_SPAN})*)$"
"""For the JSON Schema: coarser than the parser, which says what is wrong."""
_DAY = timedelta(days=1)
_REMEDY = 'write it like "Sun 01:00-05:00", "Mon-Thu 09:00-16:00" or "always"'


@dataclass(frozen=True, slots=True)
class _Span:
    """The same hours on some days of the week; ``stop`` is counted from the start's midnight."""

    days: frozenset[int]
    start: timedelta
    stop: timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the week. Make one with ``Window.parse``; ``str`` gives the text it was made of."""

    text: str
    spans: tuple[_Span, ...]
    """Empty: always."""

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Window:
        """The window that the text says. Raises ValueError that names what is wrong and what to write."""
        if text.strip().lower() == "always":
            return cls("always", ())
        parts = [part.strip() for part in text.split(";")]
        return cls(text.strip(), tuple(_parse_span(part) for part in parts))

    @property
    def always(self) -> bool:
        return not self.spans

    @property
    def shortest(self) -> timedelta | None:
        """Length of its shortest span on a night without a clock change; None for always."""
        return min((span.stop - span.start for span in self.spans), default=None)

    def contains(self, instant: datetime, zone: tzinfo) -> bool:
        """Whether the wall clock in ``zone`` is inside at this aware instant. Starts are in, ends are out."""
        if instant.tzinfo is None:
            raise ValueError(f"instant {instant} has no time zone")
        if self.always:
            return True
        wall = instant.astimezone(zone).replace(tzinfo=None)
        midnight = datetime.combine(wall.date(), time())
        for span in self.spans:
            for day in (midnight, midnight - _DAY):
                if day.weekday() in span.days and span.start <= wall - day < span.stop:
                    return True
        return False

    def occurrences(self, start: datetime, end: datetime, zone: tzinfo) -> list[tuple[datetime, datetime]]:
        """The stretches in UTC, in order and apart, that overlap with ``[start, end)``; whole, not cut to it.

        ``always`` gives the one stretch from start to end.
        """
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("start and end need a time zone")
        if start >= end:
            return []
        if self.always:
            return [(start.astimezone(UTC), end.astimezone(UTC))]
        pieces: list[tuple[datetime, datetime]] = []
        for since, until, offset in _steady(start - 2 * _DAY, end + 2 * _DAY, zone):
            pieces += self._in_steady_time(since, until, offset)
        return [(a, b) for a, b in _joined(pieces) if a < end and b > start]

    def _in_steady_time(self, since: datetime, until: datetime, offset: timedelta) -> list[tuple[datetime, datetime]]:
        """Its stretches within a time in which the zone's offset does not change."""
        found = []
        day: date = (since + offset).date() - _DAY
        while day <= (until + offset).date():
            midnight = datetime.combine(day, time(), UTC) - offset
            for span in self.spans:
                if day.weekday() in span.days:
                    a, b = max(midnight + span.start, since), min(midnight + span.stop, until)
                    if a < b:
                        found.append((a, b))
            day += _DAY
        return found


def parse_clock(text: str) -> timedelta:
    """Time since midnight of ``HH:MM``, 24:00 included. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if match is None:
        raise ValueError(f"{text!r} is no time of day; write HH:MM")
    hours, minutes = int(match[1]), int(match[2])
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise ValueError(f"there is no {text} on a clock; hours go to 24:00, minutes to 59")
    return timedelta(hours=hours, minutes=minutes)


def _parse_span(text: str) -> _Span:
    match = re.fullmatch(r"(?:(?P<days>[A-Za-z,\- ]+?) +)?(?P<start>[\d:]+) *- *(?P<stop>[\d:]+)", text)
    if match is None:
        raise ValueError(f"{text!r} is no window; {_REMEDY}")
    start, stop = parse_clock(match["start"]), parse_clock(match["stop"])
    if start == stop:
        raise ValueError(f"{text!r} is empty: it ends when it starts; for a whole day write 00:00-24:00")
    if start >= _DAY:
        raise ValueError(f"{text!r} starts at the day's end; start the next day at 00:00")
    if stop < start:
        stop += _DAY
        if stop - start > _LONGEST_NIGHT:
            raise ValueError(
                f"{text!r} ends before it starts, and past midnight it would last {(stop - start).seconds // 3600} "
                "hours; swap the times, or say it in two parts joined by a semicolon"
            )
    return _Span(_parse_days(match["days"] or "daily"), start, stop)


def _parse_days(text: str) -> frozenset[int]:
    if text.lower() == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = (name.strip() for name in part.partition("-"))
        start = _day(first)
        stop = _day(last) if dash else start
        days.update((start + i) % 7 for i in range((stop - start) % 7 + 1))
    return frozenset(days)


def _day(name: str) -> int:
    try:
        return DAYS.index(name[:3].title())
    except ValueError:
        raise ValueError(f"{name!r} is no day; days are {', '.join(DAYS)} or daily") from None


def _steady(start: datetime, end: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Stretches of UTC in which the zone's offset stays, each with its offset."""

    def offset_at(instant: datetime) -> timedelta:
        return instant.astimezone(zone).utcoffset() or timedelta()

    since = at = start.astimezone(UTC).replace(microsecond=0, second=0)
    end = end.astimezone(UTC)
    while at < end:
        following = min(at + _DAY, end)
        if offset_at(following) != offset_at(at):
            low, high = at, following
            while high - low > timedelta(minutes=1):
                middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
                low, high = (middle, high) if offset_at(middle) == offset_at(at) else (low, middle)
            yield since, high, offset_at(at)
            since = high
        at = following
    yield since, end, offset_at(since)


def _joined(pieces: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    out: list[tuple[datetime, datetime]] = []
    for start, stop in sorted(pieces):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], stop))
        else:
            out.append((start, stop))
    return out
