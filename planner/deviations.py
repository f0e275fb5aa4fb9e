"""How far each day lies from what its weekday usually is around that time, by phase of the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Scale", "cells_of", "phases_in", "phases_of", "quietest", "rest_of"]

_PHASES = 24
_WEEKS = 3
"""To each side of a day, that say what its weekday usually is."""
_NEAR = 3
"""Days to each side that say how that week was."""
_RECENT = 112
"""Days that say which weekday is the quietest."""
_NEAR_ZERO = 0.02
_LIFT = 0.05
"""As logarithms of a forecaster: a series that comes near to zero is lifted by a share of its mean."""
_LARGEST = float(np.log(np.finfo(np.float64).max)) - 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale on which effects add up: logarithms of demand, or parts of ``size`` where values may be negative."""

    logarithms: bool
    lift: float = 0.0
    size: float = 1.0

    @classmethod
    def of(cls, series: Series) -> Scale:
        known = series.values[np.isfinite(series.values)]
        if series.lower < 0 or not known.max() > 0:
            return cls(False, size=float(np.abs(known).max()) or 1.0)
        mean = float((known / len(known)).sum())
        return cls(True, 0.0 if known.min() > _NEAR_ZERO * mean else _LIFT * mean)

    def to(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(np.maximum(values + self.lift, 1e-300)) if self.logarithms else values / self.size

    def back(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(np.minimum(scaled, _LARGEST)) - self.lift if self.logarithms else scaled * self.size


def phases_in(interval_us: int) -> int:
    """Phases of the day that readings of that interval are told apart by: hours, or longer ones."""
    steps = DAY_US // interval_us
    return _PHASES if steps % _PHASES == 0 else steps if steps < _PHASES else 1


def phases_of(series: Series, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Day since 1970 and phase of the day of the steps from first to before end; step 0 is the last row."""
    stamps = series.last_us + series.interval_us * np.arange(first, end)
    day = np.floor_divide(stamps, DAY_US)
    return day, (stamps - day * DAY_US) // (DAY_US // phases_in(series.interval_us))


def cells_of(
    values: NDArray[np.float64], day: NDArray[np.int64], phase: NDArray[np.int64], phases: int
) -> NDArray[np.float64]:
    """Means by day (from 0) and phase, (days, phases); NaN where nothing was read."""
    days = int(day[-1]) + 1
    known = np.isfinite(values)
    at = day[known] * phases + phase[known]
    number = np.bincount(at, minlength=days * phases)
    total = np.bincount(at, values[known] / number[at], days * phases)
    return np.where(number > 0, total, np.nan).reshape(days, phases)


def rest_of(cells: NDArray[np.float64], named: Sequence[int]) -> tuple[NDArray[np.float64], float, float]:
    """What is left of each day, (days, phases), and how much that is on ordinary days.

    That is two variances: of a day's mean, and of its course around it. ``named`` rows are not ordinary days.
    """
    plain = cells.copy()
    plain[list(named)] = np.nan
    beside = [7 * week for week in range(-_WEEKS, _WEEKS + 1) if week]
    apart = cells - _middle(np.stack([_moved(plain, by) for by in beside]))
    size = _mean(apart, axis=1)
    size[list(named)] = np.nan
    around = np.nan_to_num(_mean(np.stack([_moved(size, by) for by in range(-_NEAR, _NEAR + 1) if by]), axis=0))
    seen = np.isfinite(size)
    power = float((around[seen] ** 2).sum())
    share = float(np.clip((around[seen] * size[seen]).sum() / power, 0.0, 1.0)) if power > 0 else 0.0
    rest = apart - share * around[:, None]
    ordinary = rest[seen]
    course = ordinary - _mean(ordinary, axis=1)[:, None]
    return rest, _variance(_mean(ordinary, axis=1)), _variance(course)


def quietest(cells: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """How far the quietest weekday lies from each, (7, phases) by day since 1970; ``first`` is that of row 0."""
    recent = cells[-_RECENT:]
    weekday = (first + np.arange(len(cells) - len(recent), len(cells))) % 7
    usual = np.stack([_middle(recent[weekday == day]) for day in range(7)])
    size = _mean(usual, axis=1)
    if not np.isfinite(size).all():
        return np.zeros_like(usual)
    return np.asarray(np.nan_to_num(usual[int(size.argmin())] - usual))


def _variance(apart: NDArray[np.float64]) -> float:
    """Around 0, of what is finite; 0 where nothing is."""
    known = apart[np.isfinite(apart)]
    return float((known**2).mean()) if len(known) else 0.0


def _moved(rows: NDArray[Any], by: int) -> NDArray[Any]:
    """Row ``i + by`` at place i; NaN beyond the ends."""
    out = np.full_like(rows, np.nan)
    if abs(by) < len(rows):
        if by > 0:
            out[:-by] = rows[by:]
        else:
            out[-by:] = rows[:by]
    return out


def _middle(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of what is finite along the first axis; NaN where nothing is."""
    if not len(rows):
        return np.full(rows.shape[1:], np.nan)
    ordered = np.sort(rows, axis=0)  # NaN last
    number = np.isfinite(ordered).sum(axis=0)
    low, high = (np.maximum(number - 1, 0) // 2, number // 2)
    high = np.minimum(high, np.maximum(number - 1, 0))
    return np.asarray(
        (np.take_along_axis(ordered, low[None], 0)[0] + np.take_along_axis(ordered, high[None], 0)[0]) / 2
    )


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    known = np.isfinite(values)
    number = known.sum(axis=axis)
    return np.where(number > 0, np.where(known, values, 0.0).sum(axis=axis) / np.maximum(number, 1), np.nan)
