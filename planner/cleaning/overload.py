"""Hours in which a cluster could not serve all that was asked of it: their demand is at least what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.medians import nanmedian
from quartermaster.planner.series import Series
from quartermaster.planner.unit import period_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SIGNS", "asked", "overloaded"]

SIGNS = (":utilisation", ":rejected", ":surge", ":errors")
"""What companions of a demand series tell of an overload (see :mod:`quartermaster.planner.sources.of_cluster`)."""
_BUSY = 0.9
_LOST = 0.001
"""Share of the demand that is turned away before an hour counts as overloaded; and of it that failed:"""
_FAILED = 0.01
_WEEKS = 6
"""Weeks to either side that tell what such an hour usually is."""


def overloaded(demand: Series, by_name: Mapping[str, Series]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mask of the steps of a demand series that were overloaded, and what was turned away in each, in its unit."""
    mask = np.zeros(len(demand.values), dtype=bool)
    lost = np.zeros(len(demand.values))
    read = np.where(np.isfinite(demand.values), np.maximum(demand.values, 0), 0.0)
    for sign in SIGNS:
        companion = by_name.get(demand.id + sign)
        if companion is None:
            continue
        found = _during(demand, companion)
        if sign == ":utilisation":
            percent = companion.unit.lower() in ("percent", "%")
            mask |= found > (100 * _BUSY if percent else _BUSY)
            continue
        found = np.nan_to_num(np.maximum(found, 0.0)) * (period_seconds(demand.unit) / period_seconds(companion.unit))
        if sign == ":rejected":
            lost = found
        mask |= found > (_FAILED if sign == ":errors" else _LOST) * read
    return mask & np.isfinite(demand.values), lost


def asked(
    values: NDArray[np.float64], mask: NDArray[np.bool_], lost: NDArray[np.float64], week: int
) -> NDArray[np.float64]:
    """What was asked for in overloaded steps: what was read and turned away, or what other weeks suggest if more.

    Other weeks: the median at the same hour of the week, times how the day around compares with them.
    """
    out = np.where(mask, values + lost, values)
    if week <= 1 or len(values) <= week:
        return out
    free = np.where(mask, np.nan, values)
    usual = _usual(free, week)
    steps = np.flatnonzero(mask)
    half_a_day = max(1, week // 14)
    around = np.clip(steps[:, None] + np.arange(-half_a_day, half_a_day + 1), 0, len(values) - 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        level = nanmedian(np.where(usual > 0, free / usual, np.nan)[around])
        suggested = usual[steps] * np.where(np.isfinite(level), level, 1.0)
    out[steps] = np.where(np.isfinite(suggested), np.fmax(out[steps], suggested), out[steps])
    return out


def _usual(values: NDArray[np.float64], week: int) -> NDArray[np.float64]:
    """For each step the median of the weeks around it at the same hour of the week; NaN where none was read."""
    weeks = -(-len(values) // week)
    padded = np.full((weeks + 2 * _WEEKS) * week, np.nan)
    start = (weeks + _WEEKS) * week - len(values)
    padded[start : start + len(values)] = values
    rows = np.lib.stride_tricks.sliding_window_view(padded.reshape(-1, week), 2 * _WEEKS + 1, axis=0)
    return np.asarray(nanmedian(rows.reshape(-1, 2 * _WEEKS + 1))[-len(values) :])


def _during(demand: Series, companion: Series) -> NDArray[np.float64]:
    """The highest reading of the companion in each step of the demand; one that lasts longer counts for all in it."""
    first = demand.last_us - demand.interval_us * (len(demand.values) - 1)
    if companion.interval_us >= demand.interval_us:
        stamps = first + demand.interval_us * np.arange(len(demand.values))
        step = (stamps - companion.last_us) // companion.interval_us + len(companion.values) - 1
        inside = (step >= 0) & (step < len(companion.values))
        return np.where(inside, companion.values[np.clip(step, 0, len(companion.values) - 1)], np.nan)
    stamps = companion.last_us - companion.interval_us * np.arange(len(companion.values) - 1, -1, -1)
    step = (stamps - first) // demand.interval_us
    inside = (step >= 0) & (step < len(demand.values)) & np.isfinite(companion.values)
    out = np.full(len(demand.values), -np.inf)
    np.maximum.at(out, step[inside], companion.values[inside])
    return np.where(np.isfinite(out), out, np.nan)
