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
        own = reach(blocks, past.shape.count + 1 - self._first(past.shape))
        parts = [
            solved(self._block(forward, past, ahead), ahead, origins, self.penalty, self.half_life)
            for ahead in range(1, own + 1)
        ]
        return back(np.concatenate(repeated(parts, blocks, past.shape.week), axis=2))

    def _first(self, shape: Shape) -> int:
        """The first origin with features: a week of days, or a few cycles, stand before it."""
        return shape.week or 4

    def _block(self, values: NDArray[np.float64], past: Cycles, ahead: int) -> Block:
        series, count, steps = values.shape
        week = past.shape.week
        at = np.arange(self._first(past.shape), count + 1)
        total = np.concatenate([np.zeros((series, 1, steps)), np.cumsum(values, axis=1)], axis=1)
        last = values[:, at - 1]
        recent = [_mean_before(total, at, span) for span in self.days]
        alike = [_mean_alike(values, at, week - (ahead - 1) % week, week, span) for span in self.weeks if week]
        level = _mean_before(total, at, week or self.days[0])
        shapes = [mean - last for mean in (*recent, *alike)]
        flat = np.broadcast_to(1.0, last.shape)
        columns = [*shapes, *(shape.mean(axis=2, keepdims=True) * flat for shape in shapes)]
        error = (last - level)[:, :, -1:]
        since = np.arange(steps) + steps * (ahead - 1)
        columns += [error * np.exp(-since / (fade * steps)) for fade in FADES]
        rows = len(at) - ahead
        came = at[:rows] + ahead - 1
        return Block(last, np.stack(columns, axis=3), values[:, came] - last[:, :rows], past.known[:, came])


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
    return np.asarray((total[:, at] - total[:, start]) / (at - start)[:, None])


def _mean_alike(
    values: NDArray[np.float64], at: NDArray[np.int64], back: int, week: int, span: int
) -> NDArray[np.float64]:
    """Mean of ``span`` cycles of one weekday: those ``back``, ``back + week``, ... cycles before each origin."""
    total = np.zeros((len(values), len(at), values.shape[2]))
    number = np.zeros(len(at))
    for i in range(span):
        inside = at - back - week * i >= 0
        total[:, inside] += values[:, at[inside] - back - week * i]
        number += inside
    return np.asarray(total / number[:, None])


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
