"""Seasonal naive: the last season again. With a period of one step it is plain naive, for series without a season."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SeasonalNaive"]


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The value one season ago."""

    season: str
    """``none``, ``day`` or ``week``."""

    @property
    def name(self) -> str:
        return "naive" if self.season == "none" else f"seasonal_naive_{self.season}"

    @property
    def costly(self) -> bool:
        return False

    def refuses(self, length: int, seasons: Seasons) -> str:
        period = self.period(seasons)
        if self.season != "none" and period <= 1:
            return f"the interval leaves no {self.season}ly season"
        if length < 2 * period:
            return f"needs two {self.season}s of history ({2 * period} readings), has {length}"
        return ""

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        period = self.period(seasons)
        repeats = np.arange(steps) % period
        return pasts[:, pasts.shape[1] - period + repeats]

    def period(self, seasons: Seasons) -> int:
        """The season in steps."""
        return {"none": 1, "day": seasons.day, "week": seasons.week}[self.season]
