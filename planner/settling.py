"""What changes of level and trend make of a history and of its forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from quartermaster.planner.medians import nanmedian
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.regimes import OTHER_THING, SMALLEST, Shift, scaled, shifts, told
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series
from quartermaster.planner.trend_breaks import trend_break

__all__ = ["settled"]

RECENT_DAYS, RECENT_TREND_DAYS = 14, 35
"""A change of level, and one of trend, is recent for so long: a forecast after it has low confidence."""
_SEEN_DAYS = 3.0
"""After a change so many days say half of what there is to know of its regime."""
_LARGEST = float(np.finfo(np.float64).max)


def settled(series: Series) -> tuple[Series, Callable[[SeriesForecast], SeriesForecast]]:
    """The series with what came before its changes drawn to the level of now, and the way back for its forecast.

    History of another shape is left out once there is enough of the new. The way back says where confidence is low,
    and widens the bounds there by how few days have been seen since.
    """
    found = shifts(series)
    broken = trend_break(series)
    if not found and broken is None:
        return series, lambda made: made
    values = series.values.copy()
    relative = series.lower == 0
    for shift in found:
        before = values[: shift.step]
        if relative and not 1 / OTHER_THING < shift.by < OTHER_THING:
            if shift.days >= RECENT_DAYS:
                before[:] = np.nan
        elif shift.days >= RECENT_DAYS and not _alike(series, shift):
            before[:] = np.nan
        else:
            with np.errstate(over="ignore"):
                drawn = before * shift.by if relative else before + shift.by
            before[:] = np.clip(drawn, -_LARGEST, _LARGEST)
    days, reason = np.inf, ""
    if found and found[0].days < RECENT_DAYS:
        days, reason = found[0].days, told(series, found[0])
    elif broken is not None and broken.days <= RECENT_TREND_DAYS:
        days, reason = broken.days, broken.told(series)
    widening = float(np.sqrt(1 + _SEEN_DAYS / days))

    def back(made: SeriesForecast) -> SeriesForecast:
        made = replace(made, series=series)
        if made.choice is None or not reason:
            return made
        choice = replace(made.choice, confidence="low", confidence_reason=reason)
        wide = made.mean[:, None] + widening * (made.quantiles - made.mean[:, None])
        # The mean may lie outside of narrow quantiles: bounds move away from the forecast, never towards it.
        wide = np.where(made.quantiles >= made.mean[:, None], wide, np.minimum(wide, made.quantiles))
        return replace(made, quantiles=np.maximum(wide, series.lower), choice=choice)

    return replace(series, values=values), back


def _alike(series: Series, shift: Shift) -> bool:
    """Whether the day before the change has the shape of the day after: nearer to it than no shape at all."""
    width = max(1, round(DAY_US / series.interval_us))
    if width == 1:
        return True
    relative = series.lower == 0
    readings = scaled(series.values[max(0, shift.step - 28 * width) :], relative) / (1.0 if relative else abs(shift.by))
    cut = min(shift.step, 28 * width)
    shapes = []
    for part in (readings[cut % width : cut], readings[cut : cut + len(readings[cut:]) // width * width]):
        # By the same hours of the day, counted from the change.
        usual = nanmedian(part.reshape(-1, width).T)
        shapes.append(usual - np.nanmedian(usual))
    apart, own = shapes[0] - shapes[1], shapes[1]
    both = np.isfinite(apart)
    return bool((apart[both] ** 2).sum() <= (own[both] ** 2).sum() or np.abs(own[both]).max(initial=0.0) < SMALLEST)
