"""Quantiles around a path from the errors of the back-test (split conformal, by bucket of steps ahead).

After Vovk et al. (conformal prediction) and Hyndman & Athanasopoulos, FPP3 5.5 (bootstrapped residuals): the errors the
chosen forecaster made at past origins, as many steps ahead, are what its next errors are taken to be like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Spread", "spread_of"]

_POWERS = (0.0, 0.5, 1.0)
_TAIL = 0.9
"""Beyond it an exponential tail stands beside the empirical quantile, which knows nothing past its largest error."""
_FLOOR = 0.05
"""Share of the mean path below which errors in percent shrink no further."""
_OPTIMISM = 1.1
"""Errors at origins that the forecaster was chosen on are too small by about this factor (bench/planner.py: the share
of demand under q0.95 over seven sets of real series rises from 0.90-0.95 to 0.91-0.96)."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Errors to add to a path, by steps ahead."""

    power: float
    """Errors grow with the path to this power: 0 for the same error at any level, 1 for errors in percent."""
    unit: float
    """The path's size that scales the power."""
    edges: tuple[int, ...]
    """First step (0-based) of each bucket."""
    errors: tuple[NDArray[np.float64], ...]
    """Sorted, scaled errors of each bucket."""

    def around(self, path: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantiles for a path from the first step ahead on, shape (steps, levels), levels ascending."""
        offsets = _OPTIMISM * np.stack([_quantiles(e, levels) for e in self.errors])[self.bucket(np.arange(len(path)))]
        out = path[:, None] + offsets * _scale(path, self.power, self.unit)[:, None]
        return np.maximum.accumulate(out, axis=1)

    def bucket(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bucket of each step ahead (0-based)."""
        return np.searchsorted(self.edges, steps, side="right") - 1


def spread_of(
    paths: NDArray[np.float64], actual: NDArray[np.float64], seasons: Seasons, lower: float, levels: NDArray[np.float64]
) -> Spread:
    """The spread that fits the back-test: paths and what came, both (origins, steps)."""
    known = np.isfinite(actual)
    unit = float(np.abs(paths).mean()) or 1.0
    edges = _edges(paths.shape[1], seasons, known)
    best: tuple[float, Spread] | None = None
    for power in _POWERS if lower == 0 else (0.0,):
        scaled = (actual - paths) / _scale(paths, power, unit)
        errors = []
        for start, end in zip(edges, (*edges[1:], paths.shape[1]), strict=True):
            block = scaled[:, start:end]
            errors.append(np.sort(block[known[:, start:end]]))
        spread = Spread(power, unit, edges, tuple(errors))
        loss = _pinball(spread, paths, actual, levels)
        if best is None or loss < 0.99 * best[0]:
            best = (loss, spread)
    assert best is not None
    return best[1]


def _edges(steps: int, seasons: Seasons, known: NDArray[np.bool_]) -> tuple[int, ...]:
    """Buckets that widen with the steps ahead, each with enough errors to take a quantile of."""
    cycle = max(seasons.cycle, 4)
    wanted = [0, cycle // 4, cycle, 2 * cycle, 4 * cycle, 7 * cycle, 14 * cycle]
    edges = [0]
    for start, end in zip(wanted[1:], [*wanted[2:], steps], strict=True):
        if start < steps and known[:, edges[-1] : start].sum() >= 20 and known[:, start : min(end, steps)].sum() >= 20:
            edges.append(start)
    return tuple(edges)


def _scale(path: NDArray[np.float64], power: float, unit: float) -> NDArray[np.float64]:
    if power == 0:
        return np.ones_like(path)
    return np.asarray(np.maximum(path / unit, _FLOOR) ** power)


def _quantiles(errors: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(errors)
    # (n + 1) instead of n: the conformal correction for the forecast to come being one more draw.
    plain = np.quantile(errors, np.clip((levels * (count + 1) - 0.5) / count, 0, 1))
    high, low = np.quantile(errors, [_TAIL, 1 - _TAIL])
    over, under = errors[errors > high] - high, low - errors[errors < low]
    upper = high + (over.mean() if len(over) else 0.0) * np.log((1 - _TAIL) / (1 - np.minimum(levels, 1 - 1e-9)))
    lower = low - (under.mean() if len(under) else 0.0) * np.log((1 - _TAIL) / np.maximum(levels, 1e-9))
    few = min(1.0, 200 / count)
    out = np.where(levels > _TAIL, np.maximum(plain, few * upper + (1 - few) * plain), plain)
    return np.asarray(np.where(levels < 1 - _TAIL, np.minimum(out, few * lower + (1 - few) * plain), out))


def _pinball(
    spread: Spread, paths: NDArray[np.float64], actual: NDArray[np.float64], levels: NDArray[np.float64]
) -> float:
    bucket = spread.bucket(np.arange(paths.shape[1]))
    offsets = _OPTIMISM * np.stack([_quantiles(e, levels) for e in spread.errors])[bucket]
    known = np.isfinite(actual)
    quantiles = paths[:, :, None] + offsets[None] * _scale(paths, spread.power, spread.unit)[:, :, None]
    short = (actual[:, :, None] - quantiles)[known]
    return float(np.maximum(levels * short, (levels - 1) * short).mean())
