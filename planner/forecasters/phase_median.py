"""The median of the last seasons at the same phase, moved to the present level: cheap, and hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.base import from_each

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
        cycles, steps = self._season(past.shape), past.shape.steps
        ahead = np.arange(blocks * steps) % (cycles * steps)
        before = np.arange(-self.cycles * steps, 0) % (cycles * steps)

        def path(days: NDArray[np.float64]) -> NDArray[np.float64]:
            count = min(self.most, days.shape[1] // cycles)
            seasons = days[:, days.shape[1] - count * cycles :].reshape(len(days), count, cycles * steps)
            profile = np.median(seasons, axis=1)
            error = days[:, -self.cycles :].reshape(len(days), -1) - profile[:, before]
            return np.asarray(profile[:, ahead] + self.share * np.median(error, axis=1)[:, None])

        return from_each(past, origins, path)

    def _season(self, shape: Shape) -> int:
        return 1 if self.season == "day" else shape.week


@dataclass(frozen=True, slots=True)
class LevelMedian:
    """The median of the last cycle, for series without a season."""

    name: str = "level_median"

    def refuses(self, shape: Shape, origins: int) -> str:
        return "" if shape.count > origins else f"needs {origins + 1} days of history, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        ahead = blocks * past.shape.steps
        return from_each(past, origins, lambda days: np.repeat(np.median(days[:, -1], axis=1)[:, None], ahead, axis=1))
