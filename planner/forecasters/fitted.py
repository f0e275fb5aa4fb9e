"""ETS, MSTL and SARIMAX of statsmodels, guarded: unguarded they diverge on some series, and long seasons take minutes.

They are asked at the last few origins only, and pass the others over.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from quartermaster.planner.cycles import Cycles, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fit = Callable[[NDArray[np.float64], Shape, int], NDArray[np.float64]]

__all__ = ["ETS", "MSTL", "SARIMAX"]

_MOST_ORIGINS = 4
_LONGEST_SEASON = 300
_MOST_READINGS = 2_000
_REACH = 10.0
"""Ranges of its past that a path may leave it by before it is refused."""


@dataclass(frozen=True, slots=True)
class ETS:
    """Additive Holt-Winters with a damped trend."""

    name: str = "ets"

    def refuses(self, shape: Shape, origins: int) -> str:
        return _refuses(shape, origins, 4)

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        return _paths(past, origins, blocks, lambda row, shape, ahead: _holt_winters(row, shape.steps, ahead))


@dataclass(frozen=True, slots=True)
class MSTL:
    """Seasons of the day and the week, taken apart by LOESS, repeat as last seen; the rest goes on by Holt's trend."""

    name: str = "mstl"

    def refuses(self, shape: Shape, origins: int) -> str:
        if shape.steps == 1 and not shape.week:
            return "the interval leaves no season"
        return _refuses(shape, origins, max(2 * shape.week, 4) + 1)

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        return _paths(past, origins, blocks, _decomposed)


@dataclass(frozen=True, slots=True)
class SARIMAX:
    """ARMA(2, 1) errors around sines and cosines of the day and the week (dynamic harmonic regression, FPP3 10.5)."""

    name: str = "sarimax"

    def refuses(self, shape: Shape, origins: int) -> str:
        return _refuses(shape, origins, max(2 * shape.week, 4))

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        return _paths(past, origins, blocks, _harmonic)


def _refuses(shape: Shape, origins: int, need: int) -> str:
    if max(shape.steps, shape.week * shape.steps) > _LONGEST_SEASON:
        return f"a season of {max(shape.steps, shape.week * shape.steps)} steps would take it minutes"
    need += min(origins, _MOST_ORIGINS)
    return "" if shape.count >= need else f"needs {need} days of history, has {shape.count}"


def _paths(past: Cycles, origins: int, blocks: int, fit: Fit) -> NDArray[np.float64]:
    shape = past.shape
    out = np.full((len(past), origins + 1, blocks * shape.steps), np.nan)
    # Two threads of BLAS on the few states of a filter wait for each other: seventeen times the processor time.
    with threadpool_limits(1, "blas"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of convergence: what they would mean is checked below
        for i, days in enumerate(past.values):
            for j in range(max(0, origins - _MOST_ORIGINS), origins + 1):
                row = days[: shape.count - origins + j].ravel()[-_MOST_READINGS:]
                out[i, j] = _guarded(row, shape, out.shape[2], fit)
            if not np.isfinite(out[i, -1]).all():
                out[i] = np.nan  # it diverged on the whole history: its past does not matter
    return out


def _guarded(row: NDArray[np.float64], shape: Shape, ahead: int, fit: Fit) -> NDArray[np.float64]:
    """The path, or NaN where the fit failed or left every bound."""
    try:
        path = np.asarray(fit(row, shape, ahead), dtype=np.float64)
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError):
        return np.full(ahead, np.nan)
    reach = _REACH * max(float(row.max() - row.min()), 1e-9)
    sound = np.isfinite(path) & (path < row.max() + reach) & (path > row.min() - reach)
    return path if sound.all() else np.full(ahead, np.nan)


def _holt_winters(row: NDArray[np.float64], period: int, ahead: int) -> NDArray[np.float64]:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    season = {"seasonal": "add", "seasonal_periods": period} if period > 1 else {}
    model = ExponentialSmoothing(row, trend="add", damped_trend=True, initialization_method="heuristic", **season)
    return np.asarray(model.fit().forecast(ahead))


def _decomposed(row: NDArray[np.float64], shape: Shape, ahead: int) -> NDArray[np.float64]:
    from statsmodels.tsa.seasonal import MSTL as Decomposition  # noqa: N811 - the forecaster has the name

    periods = tuple(p for p in (shape.steps, shape.week * shape.steps) if p > 1)
    # Jumps evaluate LOESS at a tenth of the points and draw lines between: a tenth of the time for the same seasons.
    jumps = {"seasonal_jump": 3, "trend_jump": max(1, max(periods) // 10), "low_pass_jump": max(1, min(periods) // 5)}
    found = Decomposition(row, periods=periods, iterate=2, stl_kwargs=jumps).fit()
    seasonal = np.asarray(found.seasonal, dtype=np.float64).reshape(len(row), len(periods))
    path = _holt_winters(row - seasonal.sum(axis=1), 1, ahead)
    for i, period in enumerate(periods):
        path = path + seasonal[len(row) - period + np.arange(ahead) % period, i]
    return np.asarray(path)


def _harmonic(row: NDArray[np.float64], shape: Shape, ahead: int) -> NDArray[np.float64]:
    from statsmodels.tsa.statespace.sarimax import SARIMAX as Model  # noqa: N811 - the forecaster has the name

    time = np.arange(len(row) + ahead)
    waves = []
    for period, most in ((shape.steps, 4), (shape.week * shape.steps, 3)):
        for k in range(1, min(most, period // 2) + 1):
            angle = 2 * np.pi * k * time / period
            waves += [np.sin(angle), np.cos(angle)]
    known = np.stack([np.ones(len(time)), *waves], axis=1)
    model = Model(row, exog=known[: len(row)], order=(2, 0, 1), simple_differencing=True)
    return np.asarray(model.fit(disp=False, maxiter=30).forecast(ahead, exog=known[len(row) :]))
