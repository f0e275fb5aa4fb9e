"""The median of the last seasons at the same phase, moved to the present level: cheap, and hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.base import from_each
from quartermaster.planner.medians import middle

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LevelMedian", "PhaseMedian"]


@dataclass(frozen=True, slots=True)
class PhaseMedian:
    """Median of the last ``most`` seasons at each phase, plus a share of the median error of the last cycles."""

    season: Literal["day", "week"]
    most: int
    cycles: int = 1
    """From which the error is taken."""
    share: float = 1.0
    """Of that error: half of it where it may pass."""

    @property
    def name(self) -> str:
        return f"{self.season}_median" + ("" if self.share == 1 else "_damped")

    def refuses(self, shape: Shape, origins: int) -> str:
        if not shape.seasonal or (self.season == "week" and not shape.week):
            return f"the interval leaves no {self.season}ly season"
        need = 2 * self._season(shape) + origins
        return "" if shape.count >= need else f"needs {need} days of history, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        cycles, steps, count = self._season(past.shape), past.shape.steps, past.shape.count
        ahead = np.arange(blocks * steps) % (cycles * steps)
        before = np.arange(-self.cycles * steps, 0) % (cycles * steps)
        at = np.arange(count - origins, count + 1)
        # Before early origins fewer seasons stand.
        spans = np.minimum(self.most, at // cycles)
        out = np.empty((len(past), len(at), len(ahead)))
        for span in np.unique(spans).tolist():
            some = at[spans == span]
            seasons = [_ending(past.values, some - cycles * k, cycles) for k in range(span)]
            profile = middle(seasons)
            error = _ending(past.values, some, self.cycles) - profile[:, :, before]
            shift = np.median(error, axis=2, keepdims=True)
            out[:, spans == span] = profile[:, :, ahead] + self.share * shift
        return out

    def _season(self, shape: Shape) -> int:
        return 1 if self.season == "day" else shape.week


def _ending(values: NDArray[np.float64], at: NDArray[np.int64], cycles: int) -> NDArray[np.float64]:
    """The ``cycles`` before each of consecutive origins, (series, origins, cycles * steps)."""
    parts = [values[:, at[0] - k : at[-1] + 1 - k] for k in range(cycles, 0, -1)]
    return np.concatenate(parts, axis=2)


@dataclass(frozen=True, slots=True)
class LevelMedian:
    """The median of the last cycle, for series without a season."""

    name: str = "level_median"

    def refuses(self, shape: Shape, origins: int) -> str:
        return "" if shape.count > origins else f"needs {origins + 1} days of history, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        ahead = blocks * past.shape.steps
        return from_each(past, origins, lambda days: np.repeat(np.median(days[:, -1], axis=1)[:, None], ahead, axis=1))
