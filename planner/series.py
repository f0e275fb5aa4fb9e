"""One metric on a complete grid: what the forecasters work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.months import instants
from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Series"]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Regular readings of one series."""

    id: str
    unit: str
    last_us: int
    """The instant of the last row, null rows included, in microseconds since 1970 UTC."""
    interval_us: int
    values: NDArray[np.float64]
    """One value a step, the last one at the last row; NaN where there is no usable reading."""
    lower: float
    """What no forecast goes below: 0 for demand, minus infinity for a series that is negative by nature."""

    @property
    def seasons(self) -> Seasons:
        return Seasons.of_interval(self.interval_us)

    @property
    def known(self) -> int:
        """How many usable readings there are."""
        return int(np.isfinite(self.values).sum())

    def times(self) -> pd.DatetimeIndex:
        """The instants of ``values``."""
        return self._instants(np.arange(1 - len(self.values), 1))

    def ahead(self, steps: int) -> pd.DatetimeIndex:
        """The instants of the ``steps`` intervals after the last row."""
        return self._instants(np.arange(1, steps + 1))

    def before(self, steps: int) -> Series:
        """This series as it was ``steps`` intervals earlier."""
        cut = len(self.values) - steps
        return Series(
            self.id, self.unit, self.last_us - steps * self.interval_us, self.interval_us, self.values[:cut], self.lower
        )

    def _instants(self, offsets: NDArray[np.int64]) -> pd.DatetimeIndex:
        import pandas as pd

        stamps = instants(self.last_us, self.interval_us, offsets).astype("datetime64[us]")
        return pd.DatetimeIndex(stamps).tz_localize("UTC")
