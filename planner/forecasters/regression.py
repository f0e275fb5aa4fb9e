"""The project's own forecaster: ridge regressions directly on the steps ahead, one for each cycle ahead.

A step is foretold from the same phase of the day in the last cycle, in means of the last cycles and of the same
weekdays, from their levels, and from the last error, which fades with the steps ahead. Everything is a difference from
a centre, so that with little history or much noise the forecast shrinks to that centre. After the direct multi-step
regressions of Ben Taieb & Hyndman (2014), pooled over the phases of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.ridge import Block, solved

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FADES", "Regression", "logarithms", "reach", "repeated"]

_LONGEST_AHEAD = 14
"""Cycles ahead with a regression of their own; beyond, weeks repeat the second."""
FADES = (0.25, 1.0)
"""Cycles in which the influence of the last error falls to 1/e."""
_NEAR_ZERO = 0.02
_LIFT = 0.05
"""A series that comes nearer to zero than this share of its mean is lifted by that share before logarithms."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is the same for every cycle ahead, at each origin from ``first`` on."""

    first: int
    last: NDArray[np.float64]
    """(series, origins, steps): the cycle before."""
    near: list[NDArray[np.float64]]
    """Means of recent cycles less that one, by step and over all steps."""
    error: NDArray[np.float64]
    """(series, origins, 1): the last step less its usual level."""


@dataclass(frozen=True, slots=True)
class Regression:
    """One choice of features."""

    name: str
    relative: bool
    """Fit logarithms: seasons and errors then are in percent."""
    days: tuple[int, ...]
    """Means over the last so many cycles, at the same phase."""
    weeks: tuple[int, ...]
    """Means over the last so many of the same weekday."""
    penalty: float
    half_life: float | None = None
    """In cycles."""

    def refuses(self, shape: Shape, origins: int) -> str:
        need = self._first(shape) + origins + 3
        if shape.count >= need:
            return ""
        return f"needs {need} days of history for {origins} origins, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        forward, back = logarithms(past.values) if self.relative else (past.values, np.asarray)
        seen = self._seen(forward, past.shape)
        own = reach(blocks, past.shape.count + 1 - self._first(past.shape))
        parts = [
            solved(self._block(seen, forward, past, ahead), ahead, origins, self.penalty, self.half_life)
            for ahead in range(1, own + 1)
        ]
        return back(np.concatenate(repeated(parts, blocks, past.shape.week), axis=2))

    def _first(self, shape: Shape) -> int:
        """The first origin with features: a week of days, or a few cycles, stand before it."""
        return shape.week or 4

    def _seen(self, values: NDArray[np.float64], shape: Shape) -> _Seen:
        first, count = self._first(shape), shape.count
        total = np.zeros((len(values), count + 1, shape.steps))
        np.cumsum(values, axis=1, out=total[:, 1:])
        at = np.arange(first, count + 1)
        last = values[:, first - 1 :]
        level = _mean_before(total, at, shape.week or self.days[0])[:, :, -1:]
        near = [_mean_before(total, at, span) - last for span in self.days]
        return _Seen(
            first, last, [*near, *(shape.mean(axis=2, keepdims=True) for shape in near)], last[:, :, -1:] - level
        )

    def _block(self, seen: _Seen, values: NDArray[np.float64], past: Cycles, ahead: int) -> Block:
        week, steps = past.shape.week, past.shape.steps
        alike = [
            _mean_alike(values, seen.first, week - (ahead - 1) % week, week, span) - seen.last
            for span in self.weeks
            if week
        ]
        since = np.arange(steps) + steps * (ahead - 1)
        fading = [seen.error * np.exp(-since / (fade * steps)) for fade in FADES]
        features = [*seen.near, *alike, *(mean.mean(axis=2, keepdims=True) for mean in alike), *fading]
        came = slice(seen.first + ahead - 1, None)
        target = values[:, came]
        return Block(seen.last, features, target - seen.last[:, : target.shape[1]], past.known[:, came])


def reach(blocks: int, origins: int) -> int:
    """Cycles ahead that get a regression of their own: as far as there are rows to fit one on."""
    return max(1, min(blocks, _LONGEST_AHEAD, origins - 2))


def repeated(parts: list[NDArray[np.float64]], blocks: int, week: int) -> list[NDArray[np.float64]]:
    """The parts up to ``blocks``: beyond those there are, the same weekday again."""
    out = list(parts)
    for ahead in range(len(parts), blocks):
        out.append(out[ahead - week] if 0 < week <= ahead else out[-1])
    return out


def _mean_before(total: NDArray[np.float64], at: NDArray[np.int64], span: int) -> NDArray[np.float64]:
    """Mean of the last ``span`` cycles before each origin, of fewer where there are fewer."""
    start = np.maximum(at - span, 0)
    return np.asarray((total[:, at[0] :] - total[:, start]) / (at - start)[:, None])


def _mean_alike(values: NDArray[np.float64], first: int, back: int, week: int, span: int) -> NDArray[np.float64]:
    """Mean of ``span`` cycles of one weekday: those ``back``, ``back + week``, ... cycles before each origin."""
    count = values.shape[1] + 1
    total = values[:, first - back : count - back].copy()
    for before in range(back + week, min(back + week * span, count), week):
        total[:, max(0, before - first) :] += values[:, max(0, first - before) : count - before]
    number = 1 + np.clip((np.arange(first, count) - back) // week, 0, span - 1)
    total /= number[:, None]
    return total


def logarithms(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
    """Logarithms of each series, lifted above zero where it needs it, and the way back."""
    size = np.abs(values).mean(axis=(1, 2))
    least = values.min(axis=(1, 2))
    lift = np.where(least > _NEAR_ZERO * size, 0.0, _LIFT * size - np.minimum(least, 0.0) + 1e-300)[:, None, None]

    def back(paths: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(np.clip(paths, -700, 700)) - lift)

    return np.log(values + lift), back
