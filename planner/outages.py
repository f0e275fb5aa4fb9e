"""Outages: hours in which nothing came of what never rests, as while a service or its metrics are down.

To forecasters nothing is the furthest of all levels: three such hours before a forecast start moved a week of it by
its own size. Demand goes on after an outage, so those readings count as none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from quartermaster.planner.grid import iso
from quartermaster.planner.medians import nanmedian
from quartermaster.planner.months import instants
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

__all__ = ["Outage", "bridged", "outages"]

_NOTHING = 0.02
"""Share of what is usual at that time of the week below which a reading is next to nothing."""
_SELDOM = 0.02
"""Share of the other readings that may lie below"""
_LOW = 1 / 3
"""of what is usual: what often comes that low may well come to nothing by itself."""
_RESTS = 0.05
"""Times that usually hold less than this share of the mean say nothing, and are less than half of all."""
_PART = 0.1
"""Share of the readings, and of those at one step of the day, that outages are at most: more of them are usual."""
_LONGEST_DAYS = 3
"""From then on a stop is a change of level (planner/regimes.py)."""
_FEWEST_DAYS = 7
_FEWEST_WEEKS = 4
"""That tell the days of a week apart."""
_MOST_DAYS = 56
"""Looked at: what is older hardly counts in forecasts."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Steps from ``start`` to before ``stop`` of a series' values."""

    start: int
    stop: int
    lasts: bool
    """Whether nothing has come since."""


@lru_cache(maxsize=256)  # cleaning asks, then forecasting
def outages(series: Series) -> tuple[Outage, ...]:
    """Outages within the last weeks, in order; none of a series that mostly rests or often comes near nothing."""
    width = max(1, round(DAY_US / series.interval_us))
    days = min(len(series.values) // width, _MOST_DAYS)
    if series.lower < 0 or series.interval_us > DAY_US or days < _FEWEST_DAYS:
        return ()
    season = 7 if days >= 7 * _FEWEST_WEEKS else 1
    days -= days % season
    first = len(series.values) - days * width
    readings = series.values[first:]
    known = np.isfinite(readings)
    if not known.any() or readings[known].min() > _NOTHING * readings[known].max():
        return ()
    usual = nanmedian(readings.reshape(-1, season * width).T)
    awake = usual > _RESTS * np.nansum(usual / np.isfinite(usual).sum())
    if 2 * awake.sum() < len(awake):
        return ()
    usual, told = np.resize(usual, len(readings)), known & np.resize(awake, len(readings))
    nothing = told & (readings <= _NOTHING * usual)
    daily = nothing.reshape(days, width).sum(axis=0) > max(_LONGEST_DAYS, _PART * days)
    told &= ~np.tile(daily, days)
    nothing &= told
    other = told & ~nothing
    low = other & (readings < _LOW * usual)
    if not nothing.any() or nothing.sum() > _PART * told.sum() or low.sum() > _SELDOM * other.sum():
        return ()
    at, before = np.flatnonzero(nothing), np.cumsum(other)
    found = []
    for part in np.split(at, np.flatnonzero(np.diff(before[at])) + 1):
        start, stop = int(part[0]), int(part[-1]) + 1
        if before[start] and stop - start < _LONGEST_DAYS * width:
            found.append(Outage(first + start, first + stop, bool(before[start] == before[-1])))
    return tuple(found)


def bridged(series: Series) -> tuple[Series, Callable[[SeriesForecast], SeriesForecast]]:
    """The series without the readings of its outages; the way back says where one lasted to the end."""
    found = outages(series)
    if not found:
        return series, lambda made: made
    values = series.values.copy()
    for outage in found:
        values[outage.start : outage.stop] = np.nan
    since = instants(series.last_us, series.interval_us, np.array([found[-1].start - len(values) + 1]))[0]

    def back(made: SeriesForecast) -> SeriesForecast:
        made = replace(made, series=series)
        if made.choice is None or not found[-1].lasts:
            return made
        reason = f"next to nothing since {iso(int(since))}, taken for an outage: demand is foretold as it was before"
        return replace(made, choice=replace(made.choice, confidence="low", confidence_reason=reason))

    return replace(series, values=values), back
