"""Demand by the hour: finer forecasts by their highest step, coarser ones as they come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.together import highest_within, lead_of, over_lead
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
    ranks: NDArray[np.uint8] | None
    """(origins, hours), as of :class:`SeriesForecast`."""

    def at(self, level: float) -> NDArray[np.float64]:
        """The quantile of one of ``levels``."""
        return self.quantiles[:, self.levels.index(level)]

    def times_by(self, within: WithinHour) -> Hourly:
        """Its peaks rather than its hours' means."""
        stamps = np.array([(t - instant(0)) // timedelta(microseconds=1) for t in self.times], dtype=np.int64)
        factor = within.over(stamps)
        return Hourly(
            self.times,
            self.interval_minutes,
            self.mean * factor,
            self.quantiles * factor[:, None],
            self.levels,
            self.ranks,
        )

    def part(self, start: int, count: int) -> Hourly:
        """``count`` of its hours, from ``start`` on."""
        some = slice(start, start + count)
        ranks = None if self.ranks is None else self.ranks[:, some]
        return Hourly(
            self.times[some], self.interval_minutes, self.mean[some], self.quantiles[some], self.levels, ranks
        )

    def over_lead(self, lead_minutes: float) -> NDArray[np.float64]:
        """Quantiles of the highest demand of each hour and the whole ones within a lead time after, likewise."""
        return over_lead(self.quantiles, self.levels, self.ranks, self.interval_minutes, lead_minutes)

    def early(self, lead_minutes: float) -> timedelta:
        """What is left of a lead time beside whole hours: so long before an hour its hosts must be ordered."""
        return timedelta(minutes=lead_of(lead_minutes, self.interval_minutes)[1])


def hourly(forecast: SeriesForecast) -> Hourly:
    """A forecast by the hour. Of steps within an hour the highest stands for it."""
    series, ranks = forecast.series, forecast.ranks
    stamps = series.last_us + series.interval_us * np.arange(1, len(forecast.mean) + 1)
    if series.interval_us >= HOUR_US:
        times = tuple(instant(int(s)) for s in stamps)
        return Hourly(times, series.interval_us / 60e6, forecast.mean, forecast.quantiles, forecast.levels, ranks)
    starts, mean = peaks(stamps, forecast.mean)
    times = tuple(instant(int(s)) for s in starts)
    first = np.searchsorted(stamps, starts)
    quantiles = highest_within(forecast.quantiles, forecast.levels, ranks, first)
    return Hourly(times, 60.0, mean, quantiles, forecast.levels, None if ranks is None else ranks[:, first])


def peaks(stamps: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Start of each hour and the highest reading within it; NaN where there is none."""
    hours = np.floor_divide(stamps, HOUR_US)
    first = np.flatnonzero(np.append(True, np.diff(hours) != 0))
    return hours[first] * HOUR_US, np.fmax.reduceat(values, first)


def instant(microseconds: int) -> datetime:
    """The aware instant of microseconds since 1970 UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
