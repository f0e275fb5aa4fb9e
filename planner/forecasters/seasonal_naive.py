"""Seasonal naive: the last season again. Without a season it is plain naive, the last reading for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.base import from_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SeasonalNaive"]


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The value one season ago."""

    season: Literal["none", "cycle", "week"]

    @property
    def name(self) -> str:
        return {"none": "naive", "cycle": "seasonal_naive_day", "week": "seasonal_naive_week"}[self.season]

    def refuses(self, shape: Shape, origins: int) -> str:
        if self.season == "week" and not shape.week:
            return "the interval leaves no weekly season"
        if self.season == "cycle" and not shape.seasonal:
            return "the interval leaves no daily season"
        need = {"none": 1, "cycle": 1, "week": shape.week}[self.season] + origins
        return "" if shape.count >= need else f"needs {need} days of history, has {shape.count}"

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        ahead = np.arange(blocks * past.shape.steps)
        if self.season == "none":
            return from_each(past, origins, lambda days: np.repeat(days[:, -1, -1:], len(ahead), axis=1))
        cycles = past.shape.week if self.season == "week" else 1
        period = cycles * past.shape.steps
        return from_each(past, origins, lambda days: days[:, -cycles:].reshape(len(days), -1)[:, ahead % period])
