"""Spans of time and ages as people say them, alike in every command and report. Pure."""

from __future__ import annotations

__all__ = ["age", "duration", "measured"]

_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))
_FINE_SECONDS = 60.0
"""Below, a tenth of a second counts in what was measured."""


def duration(seconds: float) -> str:
    """How long something takes or may take, in two units at most: 45 s, 1 min 30 s, 1 h 5 min, 2 days 3 h."""
    rest, parts = round(seconds), list[str]()
    for size, unit in _UNITS:
        if rest >= size:
            parts.append(_told(rest // size, unit))
        rest %= size
    return " ".join(parts[:2]) or "0 s"


def age(seconds: float) -> str:
    """How long ago, in the largest unit of which there are two: 45 s, 119 s, 2 min, 47 h, 2 days. None is negative."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return _told(round(seconds / size), unit)
    return f"{max(seconds, 0):.0f} s"


def measured(seconds: float | None) -> str:
    """What a run took, by the tenth of a second below a minute: 25.3 s, 2 min 5 s; None was not measured."""
    if seconds is None:
        return "not measured"
    return f"{seconds:.1f} s" if seconds < _FINE_SECONDS else duration(seconds)


def _told(count: int, unit: str) -> str:
    return f"{count} {unit}s" if unit == "day" and count != 1 else f"{count} {unit}"
