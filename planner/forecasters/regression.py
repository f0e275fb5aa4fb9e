"""The project's own forecaster: ridge regressions directly on the steps ahead, one for each cycle ahead.

A step is foretold, in logarithms, from the same phase of the day in the last cycle, in means of the last cycles and of
the same weekdays, from their levels, and from the last error, which fades with the steps ahead. Everything is a
difference from a centre, so that with little history or much noise the forecast shrinks to that centre. After the
direct multi-step regressions of Ben Taieb & Hyndman (2014), pooled over the phases of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.ridge import Block, solved
from quartermaster.planner.medians import middle

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Regression"]

_LONGEST_AHEAD = 14
"""Cycles ahead with a regression of their own; beyond, weeks repeat the second."""
_FADES = (0.25, 1.0)
"""Cycles in which the influence of the last error falls to 1/e."""
_NEIGHBOURS = 2
"""Steps on each side over which the last cycle is smoothed: with noise between steps, that tells more than one step."""
_WEEKS = 6
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
    """Means of recent cycles less that one; where medians are the centre, it and those means less their weekdays'."""
    smooth: NDArray[np.float64]
    """What that one was above its usual level, over neighbouring steps."""
    error: NDArray[np.float64]
    """(series, origins, 1): the last step less its usual level."""
    medians: NDArray[np.float64] | None
    """(series, cycles, steps): of the same weekdays, for the cycles from ``first`` on; where they are the centre."""


@dataclass(frozen=True, slots=True)
class Regression:
    """One choice of features."""

    name: str
    days: tuple[int, ...]
    """Means over the last so many cycles, at the same phase."""
    weeks: tuple[int, ...]
    """Means over the last so many of the same weekday."""
    penalty: float
    levels: bool = True
    """Whether those means, over all steps of the cycle, are features too."""
    centre: Literal["last", "week_median"] = "last"
    """What it shrinks to: the last cycle, or the median of the last six of the same weekday."""
    bound: float | None = None
    """Times the usual deviation from the centre beyond which one counts less, as in Huber's loss: for histories with
    strange days."""

    def refuses(self, shape: Shape, origins: int) -> str:
        if self.centre == "week_median" and not shape.week:
            return "the interval leaves no weekly season"
        need = self._first(shape) + origins + 3
        if shape.count >= need:
            return ""
        return f"needs {need} days of history for {origins} origins, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        forward, back = _logarithms(past.values)
        seen = self._seen(forward, past.shape)
        own = _reach(blocks, past.shape.count + 1 - self._first(past.shape))
        parts = [
            solved(self._block(seen, forward, past, ahead), ahead, origins, self.penalty, None)
            for ahead in range(1, own + 1)
        ]
        return back(np.concatenate(_repeated(parts, blocks, past.shape.week), axis=2))

    def _first(self, shape: Shape) -> int:
        """The first origin with features: a week of days, or a few cycles, stand before it."""
        return shape.week or 4

    def _seen(self, values: NDArray[np.float64], shape: Shape) -> _Seen:
        first, count = self._first(shape), shape.count
        total = np.zeros((len(values), count + 1, shape.steps))
        np.cumsum(values, axis=1, out=total[:, 1:])
        at = np.arange(first, count + 1)
        last = values[:, first - 1 :]
        means = [_mean_before(total, at, span) for span in self.days]
        if self.centre == "week_median":
            medians = _medians(values, shape.week)
            # At each origin that of the next cycle, of the one after, ...: the last one's is that of the cycle before.
            usual = [medians[:, day : day + len(at)] for day in range(shape.week)]
            above = last - usual[-1]
            spans = [sum(usual[-1 - day % shape.week] for day in range(span)) / span for span in self.days]
            near = [above, *(mean - span for mean, span in zip(means, spans, strict=True))]
        else:
            medians = None
            above = last - _mean_before(total, at, shape.week or 7)
            near = [mean - last for mean in means]
        reach = range(-_NEIGHBOURS, _NEIGHBOURS + 1)
        smooth = np.asarray(sum(np.roll(above, k, axis=2) for k in reach) / len(reach))
        return _Seen(first, last, near, smooth, above[:, :, -1:], medians)

    def _block(self, seen: _Seen, values: NDArray[np.float64], past: Cycles, ahead: int) -> Block:
        week, steps = past.shape.week, past.shape.steps
        centre = seen.last
        if seen.medians is not None:
            start = (ahead - 1) % week
            centre = seen.medians[:, start : start + centre.shape[1]]
        alike = [
            _mean_alike(values, seen.first, week - (ahead - 1) % week, week, span) - centre
            for span in self.weeks
            if week
        ]
        shapes = [*seen.near, *alike]
        levels = [shape.mean(axis=2, keepdims=True) for shape in shapes if self.levels]
        since = np.arange(steps) + steps * (ahead - 1)
        fading = [seen.error * np.exp(-since / (fade * steps)) for fade in _FADES]
        came = slice(seen.first + ahead - 1, None)
        target = values[:, came] - centre[:, : past.shape.count + 1 - seen.first - ahead]
        weight = None if self.bound is None else _weight(target, self.bound)
        return Block(centre, [*shapes, *levels, seen.smooth, *fading], target, past.known[:, came], weight)


def _weight(target: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """1 up to ``bound`` times the mean size of target up to that row, and less beyond: no row goes by later ones."""
    size = np.abs(target)
    rows = np.arange(1, size.shape[1] + 1)
    limit = bound * (np.cumsum(size.mean(axis=2), axis=1) / rows)[:, :, None]
    return np.asarray(limit / np.maximum(size, np.maximum(limit, 1e-300)))


def _medians(values: NDArray[np.float64], week: int) -> NDArray[np.float64]:
    """For the cycles from ``week`` up to a week after the last, the median of up to six a week, two, ... before."""
    count = values.shape[1]
    out = np.empty_like(values)
    for weeks in range(1, min(_WEEKS, -(-count // week)) + 1):
        start, stop = (weeks - 1) * week, count if weeks == _WEEKS else min(weeks * week, count)
        alike = [values[:, start - k * week : stop - k * week] for k in range(weeks)]
        out[:, start:stop] = middle(alike)
    return out


def _reach(blocks: int, origins: int) -> int:
    """Cycles ahead that get a regression of their own: as far as there are rows to fit one on."""
    return max(1, min(blocks, _LONGEST_AHEAD, origins - 2))


def _repeated(parts: list[NDArray[np.float64]], blocks: int, week: int) -> list[NDArray[np.float64]]:
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


def _logarithms(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
    """Logarithms of each series, lifted above zero where it needs it, and the way back."""
    size = np.abs(values).mean(axis=(1, 2))
    least = values.min(axis=(1, 2))
    lift = np.where(least > _NEAR_ZERO * size, 0.0, _LIFT * size - np.minimum(least, 0.0) + 1e-300)[:, None, None]

    def back(paths: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(np.clip(paths, -700, 700)) - lift)

    return np.log(values + lift), back
