"""The mean of several forecasters: errors that differ cancel in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Blend"]


@dataclass(frozen=True, slots=True)
class Blend:
    """The equal-weight mean of its members."""

    members: tuple[Forecaster, ...]

    @property
    def name(self) -> str:
        return "blend(" + "+".join(m.name for m in self.members) + ")"

    @property
    def costly(self) -> bool:
        return any(m.costly for m in self.members)

    def refuses(self, length: int, seasons: Seasons) -> str:
        reasons = [r for r in (m.refuses(length, seasons) for m in self.members) if r]
        return reasons[0] if reasons else ""

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        paths = [m.predict(pasts, seasons, steps) for m in self.members]
        return np.asarray(np.mean(paths, axis=0), dtype=np.float64)
