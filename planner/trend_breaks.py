"""Trend breaks: where a series began to grow or shrink at another pace.

Levels of weeks on one line are compared with two lines that meet; a break counts where the two fit far better.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.grid import iso
from quartermaster.planner.medians import nanmedian
from quartermaster.planner.regimes import SMALLEST, residual_of, scaled, shifts
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Break", "trend_break"]

_FEWEST_WEEKS, _MOST_WEEKS = 10, 26
_BEFORE, _AFTER = 4, 3
"""Weeks that show a trend before a break, and after it."""
_CLEAR = 12.0
"""A change of slope exceeds its standard error by this factor, and"""
_BETTER = 0.33
"""two lines leave so much of what one line leaves, and"""
_PACE = 0.02
"""the pace changes by so much a week, as a logarithm."""


@dataclass(frozen=True, slots=True)
class Break:
    """One change of trend."""

    step: int
    """Of the first reading after it, in the values of the series."""
    days: float
    """From there to the last reading."""
    before: float
    after: float
    """Growth a week, as a share."""

    def told(self, series: Series) -> str:
        """The break in words."""
        at = iso(series.last_us - (len(series.values) - 1 - self.step) * series.interval_us)
        return f"its trend went from {self.before:+.1%} to {self.after:+.1%} a week at {at}"


@lru_cache(maxsize=256)  # cleaning asks, then forecasting
def trend_break(series: Series) -> Break | None:
    """The clearest break within the last half-year of a series that is never negative, changes of level set aside."""
    width = max(1, round(DAY_US / series.interval_us))
    known = np.flatnonzero(np.isfinite(series.values))
    if series.interval_us > DAY_US or series.lower != 0 or not len(known):
        return None
    end = int(known[-1]) + 1
    weeks = min((end - int(known[0])) // (7 * width), _MOST_WEEKS)
    if weeks < _FEWEST_WEEKS:
        return None
    start = end - 7 * weeks * width
    readings = scaled(series.values[start:end], relative=True)
    for shift in shifts(series):
        if shift.by <= 0:
            return None
        readings[: max(0, shift.step - start)] += np.log(shift.by)
    levels = nanmedian(nanmedian(residual_of(readings.reshape(7 * weeks, width))).reshape(weeks, 7))
    if not np.isfinite(levels).all():
        return None
    knot, slope, bend = _bent(levels)
    if bend == 0:
        return None
    first = start + knot * 7 * width
    return Break(first, (end - first) / width, float(np.expm1(slope)), float(np.expm1(slope + bend)))


def _bent(levels: NDArray[np.float64]) -> tuple[int, float, float]:
    """Week, slope before and change of slope of the best two lines; no change where one line does about as well."""
    week = np.arange(len(levels), dtype=float)
    knots = np.arange(_BEFORE, len(levels) - _AFTER + 1) - 0.5
    ones = np.ones((len(knots), len(levels)))
    terms = np.stack((ones, ones * week, np.maximum(week - knots[:, None], 0)), axis=2)
    product = terms.transpose(0, 2, 1) @ terms
    fitted = np.linalg.solve(product, (terms.transpose(0, 2, 1) @ levels)[:, :, None])[:, :, 0]
    left = ((levels - (terms @ fitted[:, :, None])[:, :, 0]) ** 2).sum(axis=1)
    best = int(left.argmin())
    straight = float(((levels - np.polyval(np.polyfit(week, levels, 1), week)) ** 2).sum())
    _, slope, bend = fitted[best].tolist()
    error = float(np.sqrt(left[best] / (len(levels) - 4) * np.linalg.inv(product[best])[2, 2]))
    knot = int(knots[best] + 0.5)
    far = abs(bend) * min(knot, len(levels) - knot) > SMALLEST
    clear = abs(bend) > max(_PACE, _CLEAR * error) and left[best] < _BETTER**2 * straight
    return (knot, slope, bend) if far and clear else (knot, slope, 0.0)
