"""Daily series further ahead than forecasters see: drawn to the same season of the years before.

The forecasters know weeks. What a year does comes from ``planner/paths.py``, as sample paths; quantiles are averaged
(Vincent 1912) with a weight that grows over four weeks. A season seen but once counts for half all along. On daily
peaks (bench/long_horizon.py) that leaves less than half of the loss at 180 days, and less from the first days on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.paths import ahead
from quartermaster.planner.seasons import DAY_US

__all__ = ["seasoned"]

_FIRST, _LAST = 7, 28
"""Days ahead from which, and by which, the years before count for all if they are two or more; before, for half."""
_HALF = 0.5


def seasoned(made: SeriesForecast, calendar: Calendar) -> SeriesForecast:
    """The forecast drawn to the years before; as it is where the series is not daily or has no full year."""
    series = made.series
    if series.interval_us != DAY_US or made.choice is None:
        return made
    found = ahead(series, len(made.mean), calendar=calendar)
    if isinstance(found, str) or not found.years:
        return made
    step = np.arange(len(made.mean))
    far = np.clip((step - _FIRST) / (_LAST - _FIRST), 0.0, 1.0)
    weight = _HALF + (1 - _HALF) * far if found.years >= 2 else np.full(len(step), _HALF)
    drawn = np.quantile(found.paths, made.levels, axis=0).T
    told = f"drawn to the season of {found.years} year{'s' if found.years > 1 else ''} before"
    return replace(
        made,
        mean=(1 - weight) * made.mean + weight * found.paths.mean(axis=0),
        quantiles=(1 - weight[:, None]) * made.quantiles + weight[:, None] * drawn,
        choice=replace(made.choice, reason=f"{made.choice.reason}; {told}"),
    )
