"""Regression around the median week: what a day deviates from its weekday's median, carried on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.regression import FADES, logarithms, reach, repeated
from quartermaster.planner.forecasters.ridge import Block, solved

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WeekProfile"]

_WEEKS = 6


@dataclass(frozen=True, slots=True)
class WeekProfile:
    """Shrinks to the median of the last six weeks; robust against single strange days."""

    name: str
    relative: bool
    penalty: float = 0.3

    def refuses(self, shape: Shape, origins: int) -> str:
        if not shape.week:
            return "the interval leaves no weekly season"
        need = 3 * shape.week + origins
        return "" if shape.count >= need else f"needs {need} days of history for {origins} origins, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        forward, back = logarithms(past.values) if self.relative else (past.values, np.asarray)
        week = past.shape.week
        at = np.arange(2 * week, past.shape.count + 1)
        profile = _profiles(forward, at, week)
        own = reach(blocks, len(at))
        # What each of the last days, the last one first, was above its median.
        over = [forward[:, at - k] - profile[:, :, (week - k) % week] for k in range(1, week + 1)]
        mean = np.mean(over, axis=0)
        steady = [
            over[0],
            mean,
            *(part.mean(axis=2, keepdims=True) for part in (over[0], mean, np.mean(over[:3], axis=0))),
        ]
        parts = [
            solved(_block(forward, past, at, profile, over, steady, ahead), ahead, origins, self.penalty, None)
            for ahead in range(1, own + 1)
        ]
        return back(np.concatenate(repeated(parts, blocks, week), axis=2))


def _profiles(values: NDArray[np.float64], at: NDArray[np.int64], week: int) -> NDArray[np.float64]:
    """The median of each coming weekday, (series, origins, week, steps): slot i is the cycle ``origin + i``."""
    out = np.empty((len(values), len(at), week, values.shape[2]))
    for i, origin in enumerate(at):
        weeks = min(_WEEKS, int(origin) // week)
        days = values[:, origin - weeks * week : origin].reshape(len(values), weeks, week, -1)
        out[:, i] = np.median(days, axis=1)
    return out


def _block(
    values: NDArray[np.float64],
    past: Cycles,
    at: NDArray[np.int64],
    profile: NDArray[np.float64],
    over: list[NDArray[np.float64]],
    steady: list[NDArray[np.float64]],
    ahead: int,
) -> Block:
    week, steps = past.shape.week, past.shape.steps
    centre = profile[:, :, (ahead - 1) % week]
    since = np.arange(steps) + steps * (ahead - 1)
    fading = [over[0][:, :, -1:] * np.exp(-since / (fade * steps)) for fade in FADES]
    came = slice(int(at[0]) + ahead - 1, None)
    target = values[:, came]
    features = [*steady, over[week - 1 - (ahead - 1) % week], *fading]
    return Block(centre, features, target - centre[:, : target.shape[1]], past.known[:, came])
