"""The median of the last seasons at the same phase, moved to the present level: cheap, and hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LevelMedian", "PhaseMedian"]


@dataclass(frozen=True, slots=True)
class PhaseMedian:
    """Median of the last ``most`` seasons at each phase, plus the median error of the last cycle."""

    season: str
    """``day`` or ``week``."""
    most: int

    @property
    def name(self) -> str:
        return f"{self.season}_median"

    @property
    def costly(self) -> bool:
        return False

    def refuses(self, length: int, seasons: Seasons) -> str:
        period = self._period(seasons)
        if period <= 1:
            return f"the interval leaves no {self.season}ly season"
        if length < 2 * period:
            return f"needs two {self.season}s of history ({2 * period} readings), has {length}"
        return ""

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        period = self._period(seasons)
        count = min(self.most, pasts.shape[1] // period)
        cycles = pasts[:, pasts.shape[1] - count * period :].reshape(len(pasts), count, period)
        profile = np.median(cycles, axis=1)
        recent = min(seasons.cycle, period)
        shift = np.median(pasts[:, -recent:] - profile[:, -recent:], axis=1)
        return profile[:, np.arange(steps) % period] + shift[:, None]

    def _period(self, seasons: Seasons) -> int:
        return seasons.day if self.season == "day" else seasons.week


@dataclass(frozen=True, slots=True)
class LevelMedian:
    """The median of the last readings, for series without a season."""

    name: str = "level_median"

    @property
    def costly(self) -> bool:
        return False

    def refuses(self, length: int, seasons: Seasons) -> str:  # noqa: ARG002 - the protocol's
        return "" if length >= 3 else f"needs three readings, has {length}"

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        window = max(3, min(seasons.cycle if seasons.cycle > 1 else 24, pasts.shape[1]))
        return np.repeat(np.median(pasts[:, -window:], axis=1)[:, None], steps, axis=1)
