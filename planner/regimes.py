"""Regimes: where the level of a series changed for good.

Levels are those of days, weekdays evened out. A change counts where it is abrupt, lasting, and far larger than what
levels do between any other weeks of the history, so that seasons, weather and single bad days are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.grid import iso
from quartermaster.planner.medians import nanmedian
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OTHER_THING", "SMALLEST", "Shift", "residual_of", "scaled", "shifts", "told"]

_WINDOW = 14
"""Days on either side of a change that are compared; half of them in a history of less than twelve weeks."""
SMALLEST = float(np.log(1.25))
"""Smallest change of level that counts, as a logarithm; of a series that may be negative, in its usual spread."""
_FAR = 6.0
"""A change is so many times what levels usually do between neighbouring weeks, and"""
_BEYOND = 1.5
"""exceeds all that they ever did elsewhere by this factor, and"""
_WITHIN_A_WEEK = 1.5
"""both so much more while it is younger than a week, as it may be a holiday then, and"""
_APART = 0.3
"""leaves so much of itself free between the days before and those after."""
_FEWEST = 3
"""Days after a change, and so many more that show what is usual:"""
_FEWEST_ELSEWHERE = 6
_WEEK = 7
_MOST_DAYS = 182
_MOST_SHIFTS = 3
OTHER_THING = 30.0
"""A change by more than that factor is a stop, a start or another unit: history is not drawn to it."""
_ZERO = -800.0
"""Stands for the logarithm of nothing."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One change of level."""

    step: int
    """Of the first reading after it, in the values of the series."""
    days: float
    """From there to the last reading."""
    by: float
    """Factor on a series that is never negative, else what was added."""


@lru_cache(maxsize=256)  # cleaning asks, then forecasting
def shifts(series: Series) -> tuple[Shift, ...]:
    """Changes of level within the last half-year, the latest first."""
    width = max(1, round(DAY_US / series.interval_us))
    known = np.flatnonzero(np.isfinite(series.values))
    if series.interval_us > DAY_US or not len(known):
        return ()
    end = int(known[-1]) + 1
    days = min((end - int(known[0])) // width, _MOST_DAYS)
    if days < 7 + _FEWEST + _FEWEST_ELSEWHERE:
        return ()
    relative = series.lower == 0
    start = end - days * width
    spread = 1.0 if relative else _spread(series.values[start:end])
    if not spread > np.finfo(float).tiny:
        return ()
    readings = scaled(series.values[start:end], relative) / spread
    found: list[Shift] = []
    while len(found) < _MOST_SHIFTS:
        residual = residual_of(readings.reshape(days, width))
        largest = _largest(_even(nanmedian(residual)))
        if largest is None:
            break
        day, by = largest
        step = _place(residual.ravel(), day, width, by)
        if any(abs(start + step - shift.step) < _WEEK * width for shift in found):
            # Part of one that is found: levels of small counts move by whole parts, not by its size.
            break
        readings[:step] += by
        size = float(np.exp(min(by, -_ZERO / 2))) if relative else by * spread
        found.append(Shift(start + step, (len(readings) - step) / width, size))
        if relative and abs(by) > np.log(OTHER_THING):
            # What lies before a stop or a start says nothing of levels.
            break
    return tuple(sorted(found, key=lambda shift: -shift.step))


def told(series: Series, shift: Shift) -> str:
    """The change in words."""
    at = iso(series.last_us - (len(series.values) - 1 - shift.step) * series.interval_us)
    how = f"to {shift.by:.3g} times what it was" if series.lower == 0 else f"by {shift.by:+.3g}"
    if series.lower == 0 and not 1e-3 < shift.by < 1e3:
        how = "to nothing" if shift.by < 1 else "from nothing"
    return f"its level changed {how} at {at}, {shift.days:.1f} days before the end"


def scaled(values: NDArray[np.float64], relative: bool) -> NDArray[np.float64]:
    """Logarithms of what is never negative, else as it is."""
    if not relative:
        return values.copy()
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(values), _ZERO)


def _spread(values: NDArray[np.float64]) -> float:
    """Half of the readings lie within it; beyond the range of floats infinite."""
    with np.errstate(over="ignore"):
        return float(np.subtract(*np.nanquantile(values / 2, [0.75, 0.25])) * 2)


def residual_of(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """(days, steps) less what each step of the day usually is; NaN where that is nothing."""
    usual = nanmedian(days.T)
    usual = np.where(usual > _ZERO, usual, np.nan)
    return days - usual


def _windows(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return np.lib.stride_tricks.sliding_window_view(values, size)


def _even(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels of days less what their weekday usually adds to the week around."""
    if len(levels) < 21:
        return levels
    around = nanmedian(_windows(np.pad(levels, 3, mode="edge"), 7))
    beside = np.full(-(-len(levels) // 7) * 7, np.nan)
    beside[: len(levels)] = levels - around
    usual = nanmedian(beside.reshape(-1, 7).T)
    return np.asarray(levels - np.resize(usual, len(levels)))


def _largest(levels: NDArray[np.float64]) -> tuple[int, float] | None:
    """First day and size of the clearest change; None where there is none."""
    count = len(levels)
    before = _WINDOW if count >= 6 * _WINDOW else _WINDOW // 2
    former = nanmedian(_windows(levels, before))
    best, found = 1.0, None
    for after in range(_FEWEST, before + 1):
        at = np.arange(before, count - after + 1)
        # Only the last days can be fewer; what is usual is worked out where they differ.
        if after < before and not abs(nanmedian(levels[None, -after:])[0] - former[at[-1] - before]) > SMALLEST:
            continue
        moved = nanmedian(_windows(levels, after)[at]) - former[at - before]
        size = np.abs(np.where(np.isfinite(moved), moved, 0.0))
        here = len(at) - 1 if after < before else int(size.argmax())
        elsewhere = size[np.abs(at - at[here]) >= before]
        if size[here] <= SMALLEST or len(elsewhere) < _FEWEST_ELSEWHERE:
            continue
        clear = min(
            size[here] / (_FAR * max(float(np.median(elsewhere)), 1e-9)),
            size[here] / (_BEYOND * max(float(elsewhere.max()), 1e-9)),
        )
        if clear <= best:
            continue
        day = _sharpest(levels, int(at[here]), before // 2)
        clear /= _WITHIN_A_WEEK if count - day < _WEEK else 1.0
        left, right = levels[max(0, day - before) : day], levels[day : day + before]
        by = nanmedian(right[None])[0] - nanmedian(left[None])[0]
        if clear > best and abs(by) > SMALLEST and _free(left, right, by) and not _taken_back(levels, day, by):
            best, found = clear, (day, float(by))
    return found


def _sharpest(levels: NDArray[np.float64], day: int, reach: int) -> int:
    """The day near that one at which three days differ most from the three before."""
    low, high = max(3, day - reach), min(day + reach, len(levels) - _FEWEST)
    three = nanmedian(_windows(levels[low - 3 : high + 3], 3))
    jump = np.abs(three[3:] - three[:-3])
    return low + int(np.where(np.isfinite(jump), jump, 0.0).argmax())


def _free(before: NDArray[np.float64], after: NDArray[np.float64], moved: float) -> bool:
    """Whether nearly all days after the change lie beyond nearly all days before it."""
    way = np.sign(moved)
    gap = np.nanquantile(way * after, 0.15) - np.nanquantile(way * before, 0.85)
    return bool(gap > _APART * abs(moved))


def _taken_back(levels: NDArray[np.float64], day: int, moved: float) -> bool:
    """Whether the last fifth of the days since, one at least, lies nearer to the level before: it has passed."""
    since = levels[day:]
    left = nanmedian(since[None, -max(1, len(since) // 5) :])[0] - nanmedian(since[None])[0]
    return bool(-left * np.sign(moved) > abs(moved) / 2)


def _place(residual: NDArray[np.float64], day: int, width: int, by: float) -> int:
    """The reading at which the level changed, on the day found or one beside it."""
    low, high = (day - 1) * width, min((day + 2) * width, len(residual))
    former = nanmedian(residual[None, max(0, low - 7 * width) : low])[0]
    part = residual[low:high]
    # Each reading votes for the level it is nearer to.
    vote = np.where(np.isfinite(part), np.abs(part - former) - np.abs(part - former - by), 0.0)
    return low + int(np.argmin(np.concatenate(([0.0], np.cumsum(np.clip(vote, -abs(by), abs(by)))))))
