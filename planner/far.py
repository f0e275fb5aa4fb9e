"""Further ahead than forecasters see: drawn to what the days of the months ahead may be.

The forecasters know weeks. What a year does comes from ``planner/paths.py``, as sample paths of days, with a weight
that grows over four weeks. Of daily series, quantiles are averaged (Vincent 1912). On daily peaks
(bench/long_horizon.py) that leaves less than half of the loss at 180 days, and less from the first days on. Of finer
series asked for more than those weeks, each day is moved to the peak that its paths have, hours keeping their part of
it, and bounds are at least as far apart as those of the peaks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.one import Choice, SeriesForecast
from quartermaster.planner.paths import ahead
from quartermaster.planner.seasons import DAY_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["seasoned"]

_FIRST, _LAST = 7, 28
"""Days ahead until which, and from which on, the years before count for so much:"""
_YEARS = 0.5, 1.0
_ONE_YEAR = 0.25, 0.75
"""A season seen but once may not come again."""
_RECENT = 56
"""Days that show how far peaks lie above what is usual."""


def seasoned(made: SeriesForecast, calendar: Calendar) -> SeriesForecast:
    """The forecast drawn to the months ahead; as it is where they say nothing of it."""
    series = made.series
    if made.choice is None or made.choice.fallback:
        return made
    if series.interval_us < DAY_US and DAY_US % series.interval_us == 0:
        return _by_days(made, made.choice, calendar)
    if series.interval_us != DAY_US:
        return made
    found = ahead(series, len(made.mean), calendar=calendar)
    if isinstance(found, str) or not found.years:
        return made
    step = np.arange(len(made.mean))
    far = np.clip((step - _FIRST) / (_LAST - _FIRST), 0.0, 1.0)
    near, later = _YEARS if found.years >= 2 else _ONE_YEAR
    weight = near + (later - near) * far
    drawn = np.quantile(found.paths, made.levels, axis=0).T
    told = f"drawn to the season of {found.years} year{'s' if found.years > 1 else ''} before"
    return replace(
        made,
        mean=(1 - weight) * made.mean + weight * found.paths.mean(axis=0),
        quantiles=(1 - weight[:, None]) * made.quantiles + weight[:, None] * drawn,
        choice=replace(made.choice, reason=f"{made.choice.reason}; {told}"),
    )


def _by_days(made: SeriesForecast, choice: Choice, calendar: Calendar) -> SeriesForecast:
    day = DAY_US // made.series.interval_us
    count = -(-len(made.mean) // day)
    recent = made.series.values[-_RECENT * day :]
    if count <= _LAST or len(recent) < _RECENT * day:
        return made
    found = ahead(made.series, count, calendar=calendar)
    if isinstance(found, str):
        return made
    of = np.arange(len(made.mean)) // day
    weight = np.clip((np.arange(count) - _FIRST) / (_LAST - _FIRST), 0.0, 1.0)
    middle, *bounds = np.quantile(found.paths, [0.5, *made.levels], axis=0)
    above = _above_usual(recent, day)

    def moved(hours: NDArray[np.float64]) -> NDArray[np.float64]:
        """By what factor each of these hours comes to its day's part of the peak that the paths have."""
        peaks = np.maximum.reduceat(hours, np.arange(0, len(hours), day)) * above
        ratio = np.divide(middle, peaks, out=np.ones(count), where=(peaks > 0) & (middle > 0))
        return np.asarray((ratio**weight)[of])

    mean = made.mean * moved(made.mean)
    # The median has moved from the mean by what forecasts of weeks missed so far ahead.
    centre = made.at(0.5) if 0.5 in made.levels else made.mean
    factor = moved(centre)
    quantiles = made.quantiles * factor[:, None]
    for i, level in enumerate(made.levels):
        apart = np.divide(bounds[i], middle, out=np.ones(count), where=middle > 0) ** weight
        if level != 0.5:
            wider = np.maximum if level > 0.5 else np.minimum
            quantiles[:, i] = wider(quantiles[:, i], centre * factor * apart[of])
    quantiles = np.maximum.accumulate(quantiles, axis=1)
    if not (np.isfinite(mean).all() and np.isfinite(quantiles).all()):
        return made
    told = f"from {_FIRST} to {_LAST} days on drawn to the peaks of days in the months ahead"
    return replace(made, mean=mean, quantiles=quantiles, choice=replace(choice, reason=f"{choice.reason}; {told}"))


def _above_usual(recent: NDArray[np.float64], day: int) -> float:
    """By what factor a day's peak lies above the highest of what is usual at the hours of its weekday."""
    weeks = np.where(np.isfinite(recent), recent, 0.0).reshape(-1, 7, day)
    usual = np.median(weeks, axis=0).max(axis=1)
    ratio = np.divide(weeks.max(axis=2), usual, out=np.ones(weeks.shape[:2]), where=usual > 0)
    return max(1.0, float(np.median(ratio)))
