"""Filling what has no reading, so that every forecaster sees a complete past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["filled"]


def filled(values: NDArray[np.float64], seasons: Seasons) -> NDArray[np.float64]:
    """A copy without NaN: the mean of the same phase a week, then a day before and after, then a straight line.

    What follows a hole helps to fill it, so a window of the back-test must be filled
    after its cut, never before. At least one value must be finite.
    """
    out = values.copy()
    for period in (seasons.week, seasons.day):
        # A hole longer than the period fills from what was itself filled, up to four periods on.
        for _ in range(4):
            holes = np.flatnonzero(~np.isfinite(out))
            if period <= 1 or not len(holes):
                break
            around = np.stack([_at(out, holes - period), _at(out, holes + period)])
            known = np.isfinite(around)
            number = known.sum(axis=0)
            total = (np.where(known, around, 0.0) / np.maximum(number, 1)).sum(axis=0)
            out[holes[number > 0]] = total[number > 0]
    holes = ~np.isfinite(out)
    if holes.any():
        steps = np.arange(len(out))
        out[holes] = np.interp(steps[holes], steps[~holes], out[~holes])
    return out


def _at(values: NDArray[np.float64], where: NDArray[np.int64]) -> NDArray[np.float64]:
    inside = (where >= 0) & (where < len(values))
    return np.where(inside, values[np.clip(where, 0, len(values) - 1)], np.nan)
