"""MSTL (statsmodels): daily and weekly seasons taken apart by LOESS, the rest carried on by a damped trend."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.forecasters.base import Diverged
from quartermaster.planner.forecasters.ets import _check, _fitted, _path
from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MSTL"]

_WINDOW_WEEKS = 6
_LONGEST_SEASON = 300


@dataclass(frozen=True, slots=True)
class MSTL:
    """Seasons of the day and the week repeat as last seen; trend and rest go on by exponential smoothing."""

    name: str = "mstl"

    @property
    def costly(self) -> bool:
        return True

    def refuses(self, length: int, seasons: Seasons) -> str:
        periods = self.periods(seasons)
        if not periods:
            longest = max(seasons.day, seasons.week)
            return (
                f"a season of {longest} steps would take it minutes (limit {_LONGEST_SEASON})"
                if longest > 1
                else ("the interval leaves no season")
            )
        need = 2 * max(periods) + 1
        return "" if length >= need else f"needs two seasons of history ({need} readings), has {length}"

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        periods = self.periods(seasons)
        window = min(pasts.shape[1], max(_WINDOW_WEEKS * max(periods), 8 * seasons.cycle))
        cut = pasts[:, pasts.shape[1] - window :]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            parts = [_decomposed(row, periods) for row in cut]
            fixed = _fitted(parts[0][0], 1)
            rests = np.stack([_path(rest, 1, fixed, steps) for rest, _ in parts])
            paths = rests + np.stack([_repeated(seasonal, periods, steps) for _, seasonal in parts])
        _check(paths, cut, self.name)
        return paths

    @staticmethod
    def periods(seasons: Seasons) -> tuple[int, ...]:
        """The seasons it can take apart in reasonable time."""
        return tuple(sorted({p for p in (seasons.day, seasons.week) if 1 < p <= _LONGEST_SEASON}))


def _decomposed(past: NDArray[np.float64], periods: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Past without its seasons, and the seasons, shape (length, periods)."""
    from statsmodels.tsa.seasonal import MSTL as Decomposition  # noqa: N811 - the name here is taken by the forecaster

    # Jumps evaluate LOESS at a tenth of the points and draw lines between: a tenth of the time for the same seasons.
    jumps = {"seasonal_jump": 3, "trend_jump": max(1, max(periods) // 10), "low_pass_jump": max(1, min(periods) // 5)}
    try:
        result = Decomposition(past, periods=periods, iterate=2, stl_kwargs=jumps).fit()
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as exc:
        raise Diverged(f"mstl did not decompose: {exc}") from exc
    seasonal = np.asarray(result.seasonal, dtype=np.float64).reshape(len(past), len(periods))
    return past - seasonal.sum(axis=1), seasonal


def _repeated(seasonal: NDArray[np.float64], periods: tuple[int, ...], steps: int) -> NDArray[np.float64]:
    total = np.zeros(steps)
    for i, period in enumerate(periods):
        total += seasonal[len(seasonal) - period + np.arange(steps) % period, i]
    return total
