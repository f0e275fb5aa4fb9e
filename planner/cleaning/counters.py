"""Counters that came as they are: they only rise, and begin anew at 0 when their process does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["only_rises", "rates", "resets"]

_FEWEST = 24
_RISES = 0.9
_MOST_RESETS = 0.05
_HIGH = 10.0
"""A counter stands at so many of its usual steps, and more, before it is reset; after it, below that."""


def only_rises(values: NDArray[np.float64]) -> bool:
    """Whether the readings (NaN = none) rise nearly always and never fall."""
    steps = np.diff(values[np.isfinite(values)])
    return len(steps) >= 2 * _FEWEST and bool((steps >= 0).all() and (steps > 0).mean() >= _RISES)


def resets(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Steps at which a counter began anew; empty where the series is no counter, or was never reset."""
    known = np.flatnonzero(np.isfinite(values))
    none = np.zeros(0, dtype=np.int64)
    if len(known) < _FEWEST:
        return none
    read = values[known]
    with np.errstate(over="ignore"):
        steps = np.diff(read)
    falls = steps < 0
    rises = steps[steps > 0]
    if not falls.any() or falls.mean() > _MOST_RESETS or len(rises) < _RISES * (~falls).sum() or read.min() < 0:
        return none
    usual = float(np.median(rises))
    at = np.flatnonzero(falls)
    fits = (read[at] >= _HIGH * usual) & (read[at + 1] < _HIGH * usual) & (read[at + 1] < 0.5 * read[at])
    return known[at + 1] if fits.all() else none


def rates(values: NDArray[np.float64], interval_us: int) -> NDArray[np.float64]:
    """What a counter counted per second up to each of its readings; NaN where none is before.

    After a reset all that it shows has been counted since. Over missing readings it counted evenly.
    """
    out = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    steps = np.diff(values[known])
    counted = np.where(steps < 0, values[known][1:], steps)
    gaps = np.diff(known)
    each = counted / gaps / (interval_us / 1e6)
    out[known[0] + 1 : known[-1] + 1] = np.repeat(each, gaps)
    return out
