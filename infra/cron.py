"""Unix cron expressions of scheduled actions, checked by the schema: whether an instant matches one. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

__all__ = ["due", "matches"]

_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES = {
    name: value
    for names, first in (
        (("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1),
        (("sun", "mon", "tue", "wed", "thu", "fri", "sat"), 0),
    )
    for value, name in enumerate(names, first)
}


def matches(expression: str, local: datetime) -> bool:
    """Whether the minute of ``local`` (in the action's own time zone) is one of the expression's.

    Day of month and day of week, when both are restricted, are alternatives, as in cron(5).
    """
    minutes, hours, days, months, weekdays, either = _read(expression)
    if local.minute not in minutes or local.hour not in hours or local.month not in months:
        return False
    by_day, by_weekday = local.day in days, local.isoweekday() % 7 in weekdays
    return (by_day or by_weekday) if either else (by_day and by_weekday)


def due(expression: str, zone: str, after: datetime, until: datetime) -> bool:
    """Whether a matching minute begins in (after, until]; both aware. Looks back an hour at most."""
    tz = ZoneInfo(zone or "UTC")
    minute = max(after, until - timedelta(hours=1)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    while minute <= until:
        if matches(expression, minute.astimezone(tz)):
            return True
        minute += timedelta(minutes=1)
    return False


@cache
def _read(expression: str) -> tuple[set[int], set[int], set[int], set[int], set[int], bool]:
    """What each field allows, and whether one of the two day fields will do."""
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"{expression!r} has {len(fields)} fields; cron has five")
    minutes, hours, days, months, weekdays = (
        _values(field, *bounds) for field, bounds in zip(fields, _BOUNDS, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return minutes, hours, days, months, {value % 7 for value in weekdays}, either


def _values(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = low, high
        else:
            first, _, last = span.partition("-")
            begin = _number(first)
            end = _number(last) if last else (high if step else begin)
        if not low <= begin <= end <= high:
            raise ValueError(f"{field!r} is outside {low}-{high}")
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def _number(word: str) -> int:
    return _NAMES[word] if word in _NAMES else int(word)
