"""Exponential smoothing with damped trend and season (statsmodels), guarded.

Unguarded it diverges on some series, and long seasons take it minutes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.forecasters.base import Diverged
from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ETS"]

_WINDOW_CYCLES = 28
_MOST_READINGS = 2_000
_LONGEST_SEASON = 300
_SMOOTHING = ("smoothing_level", "smoothing_trend", "smoothing_seasonal", "damping_trend")


@dataclass(frozen=True, slots=True)
class ETS:
    """Additive Holt-Winters with a damped trend.

    Its parameters are fitted on the first row and reused for the others, which only smooth: over rolling origins of one
    series that is honest, as the first row is the oldest past, and ten times cheaper than a fit an origin.
    """

    name: str = "ets"

    @property
    def costly(self) -> bool:
        return True

    def refuses(self, length: int, seasons: Seasons) -> str:
        period = seasons.cycle
        if period > _LONGEST_SEASON:
            return f"a season of {period} steps would take it minutes (limit {_LONGEST_SEASON})"
        need = max(4 * period, 12)
        return "" if length >= need else f"needs four seasons of history ({need} readings), has {length}"

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        period = seasons.cycle
        window = min(pasts.shape[1], max(_WINDOW_CYCLES * period, 48), _MOST_READINGS)
        cut = pasts[:, pasts.shape[1] - window :]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # convergence warnings: what they would mean is checked below
            fixed = _fitted(cut[0], period)
            paths = np.stack([_path(row, period, fixed, steps) for row in cut])
        _check(paths, cut, self.name)
        return paths


def _model(past: NDArray[np.float64], period: int) -> Any:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    seasonal = {"seasonal": "add", "seasonal_periods": period} if period > 1 else {}
    return ExponentialSmoothing(past, trend="add", damped_trend=True, initialization_method="heuristic", **seasonal)


def _fitted(past: NDArray[np.float64], period: int) -> dict[str, float]:
    try:
        params = _model(past, period).fit().params
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as exc:
        raise Diverged(f"ets did not fit: {exc}") from exc
    wanted = [k for k in _SMOOTHING if period > 1 or k != "smoothing_seasonal"]
    if not all(np.isfinite(params[k]) for k in wanted):
        raise Diverged("ets fitted no finite parameters")
    return {k: float(params[k]) for k in wanted}


def _path(past: NDArray[np.float64], period: int, fixed: dict[str, float], steps: int) -> NDArray[np.float64]:
    try:
        return np.asarray(_model(past, period).fit(optimized=False, **fixed).forecast(steps), dtype=np.float64)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as exc:
        raise Diverged(f"ets did not smooth: {exc}") from exc


def _check(paths: NDArray[np.float64], pasts: NDArray[np.float64], name: str) -> None:
    """Raise Diverged where a path leaves ten times the range that its past had."""
    low, high = pasts.min(axis=1), pasts.max(axis=1)
    reach = 10 * np.maximum(high - low, 1e-9)
    outside = ~np.isfinite(paths) | (paths > (high + reach)[:, None]) | (paths < (low - reach)[:, None])
    if outside.any():
        raise Diverged(f"{name} left ten times the range of its past")


def holt(past: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """The damped-trend path of a series without season; the part that MSTL adds its seasons to."""
    return _path(past, 1, _fitted(past, 1), steps)
