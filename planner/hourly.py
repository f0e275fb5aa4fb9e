"""Demand by the hour: finer forecasts by their highest step, coarser ones as they come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.within_hour import WithinHour

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Hourly", "hourly", "instant", "peaks"]


@dataclass(frozen=True, slots=True, eq=False)
class Hourly:
    """Quantiles of demand for each hour, or each interval where that is longer."""

    times: tuple[datetime, ...]
    interval_minutes: float
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    """Shape (hours, levels)."""
    levels: tuple[float, ...]

    def at(self, level: float) -> NDArray[np.float64]:
        """The quantile of one of ``levels``."""
        return self.quantiles[:, self.levels.index(level)]

    def times_by(self, within: WithinHour) -> Hourly:
        """Its peaks rather than its hours' means."""
        stamps = np.array([(t - instant(0)) // timedelta(microseconds=1) for t in self.times], dtype=np.int64)
        factor = within.over(stamps)
        return Hourly(
            self.times, self.interval_minutes, self.mean * factor, self.quantiles * factor[:, None], self.levels
        )

    def part(self, start: int, count: int) -> Hourly:
        """``count`` of its hours, from ``start`` on."""
        some = slice(start, start + count)
        return Hourly(self.times[some], self.interval_minutes, self.mean[some], self.quantiles[some], self.levels)


def hourly(forecast: SeriesForecast) -> Hourly:
    """A forecast by the hour. The highest quantile of the steps within an hour stands for it."""
    series = forecast.series
    stamps = series.last_us + series.interval_us * np.arange(1, len(forecast.mean) + 1)
    if series.interval_us >= HOUR_US:
        times = tuple(instant(int(s)) for s in stamps)
        return Hourly(times, series.interval_us / 60e6, forecast.mean, forecast.quantiles, forecast.levels)
    starts, mean = peaks(stamps, forecast.mean)
    columns = [peaks(stamps, forecast.quantiles[:, i])[1] for i in range(len(forecast.levels))]
    return Hourly(tuple(instant(int(s)) for s in starts), 60.0, mean, np.stack(columns, axis=1), forecast.levels)


def peaks(stamps: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Start of each hour and the highest reading within it; NaN where there is none."""
    hours = np.floor_divide(stamps, HOUR_US)
    first = np.flatnonzero(np.append(True, np.diff(hours) != 0))
    return hours[first] * HOUR_US, np.fmax.reduceat(values, first)


def instant(microseconds: int) -> datetime:
    """The aware instant of microseconds since 1970 UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
