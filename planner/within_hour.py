"""The headroom ``within_hour``: how far demand's finest peak stands above the mean of its hour.

Plans go by the hour, and the mean of an hour hides its busiest minutes. Where history is finer (one or five minutes),
the ratio of each hour's highest reading to its mean is known, and an upper quantile of it, by hour of the day, in the
busier half of those hours, is the factor on the hourly demand. Its interval: order statistics (Conover, Practical
Nonparametric Statistics, 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FINER", "WithinHour", "by_hour", "finer_of", "learn"]

FINER = (":1min", ":5min")
"""Endings of series that tell the same demand in finer steps."""
_QUANTILE = 0.9
"""Of the ratio. The demand quantile bears the rare hour: both at 0.99 would plan for the rare peak of a rare hour."""
_FEWEST_HOURS = 24
_FULL = 0.9
"""Share of an hour's readings that must be there."""
_IDLE = 0.05
"""Share of the usual hour below which an hour says nothing: a handful of requests has any ratio."""
_PRIOR = 10
"""Hours that the ratio of all hours of the day counts for in that of one."""
_WIDE = 1.96


@dataclass(frozen=True, slots=True, eq=False)
class WithinHour:
    """Factor on the mean demand of an hour, by its hour of the day in UTC, with its 95 % interval."""

    factor: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    interval_minutes: float
    """Of the history it was learned from."""
    hours: int
    """Hours it was learned from."""

    def over(self, hours_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """The factor of hours that start then."""
        return np.asarray(self.factor[hours_us // HOUR_US % 24])

    def to_json(self) -> dict[str, Any]:
        return {
            "quantile": _QUANTILE,
            "interval_minutes": self.interval_minutes,
            "hours": self.hours,
            "by_hour_utc": [
                {"factor": round(float(f), 4), "low": round(float(a), 4), "high": round(float(b), 4)}
                for f, a, b in zip(self.factor, self.low, self.high, strict=True)
            ],
        }

    def told(self) -> str:
        """For people."""
        busiest = int(self.factor.argmax())
        return (
            f"headroom within_hour: the busiest {self.interval_minutes:g} min of an hour exceed its mean by "
            f"{self.factor.min() - 1:.0%} to {self.factor.max() - 1:.0%} (q{_QUANTILE:g} of {self.hours} hours; at "
            f"{busiest:02d}:00 UTC {self.low[busiest] - 1:.0%} to {self.high[busiest] - 1:.0%} at 95 %)"
        )


def finer_of(series: Series, by_name: Mapping[str, Series]) -> Series | None:
    """The finest history of the same demand: the series itself where it is finer than an hour, or a companion."""
    for found in (*(by_name.get(series.id + ending) for ending in FINER), series):
        if found is not None and found.interval_us < HOUR_US and HOUR_US % found.interval_us == 0 and found.known:
            return found
    return None


def by_hour(fine: Series, hourly_id: str) -> tuple[Series, NDArray[np.float64]]:
    """The series by whole hours of the clock: means as a series, and peaks. An hour needs half its readings."""
    count = HOUR_US // fine.interval_us
    first = fine.last_us - (len(fine.values) - 1) * fine.interval_us
    skip = int(-(first // fine.interval_us) % count)
    whole = max(0, len(fine.values) - skip) // count
    blocks = fine.values[skip : skip + whole * count].reshape(whole, count)
    known = np.isfinite(blocks).sum(axis=1)
    enough = known * 2 >= count
    mean = np.where(enough, np.nansum(blocks, axis=1) / np.maximum(known, 1), np.nan)
    peak = np.where(enough, np.where(np.isfinite(blocks), blocks, -np.inf).max(axis=1, initial=-np.inf), np.nan)
    start = first + skip * fine.interval_us
    # Hours of the clock, whatever second the readings are stamped with.
    last = (start // HOUR_US + whole - 1) * HOUR_US
    return Series(hourly_id, fine.unit, int(last), HOUR_US, mean, fine.lower), peak


def learn(fine: Series) -> WithinHour | str:
    """The headroom that the history shows, or why it shows none."""
    hourly, peak = by_hour(fine, fine.id)
    mean = hourly.values
    count = HOUR_US // fine.interval_us
    blocks = len(mean) * count
    known = np.isfinite(mean) & (mean > 0)
    if known.sum() < _FEWEST_HOURS:
        return f"only {int(known.sum())} hours of {fine.id} have readings (needs {_FEWEST_HOURS})"
    usable = known & (mean > _IDLE * np.median(mean[known])) & _complete(fine, blocks, count)
    if usable.sum() < _FEWEST_HOURS:
        return f"only {int(usable.sum())} hours of {fine.id} are complete and busy (needs {_FEWEST_HOURS})"
    of_day = (hourly.last_us // HOUR_US - np.arange(len(mean) - 1, -1, -1)) % 24
    own = [mean[usable & (of_day == hour)] for hour in range(24)]
    usual = np.array([np.median(means) if len(means) else 0.0 for means in own])
    # Plans provide for busy hours: the busier half tells what those are like. A quiet hour with one burst has a ratio
    # that no busy one has.
    usable &= mean >= usual[of_day] * (1 - 1e-9)
    ratio, of_day = peak[usable] / mean[usable], of_day[usable]
    whole = _bounds(ratio)
    bounds = np.empty((24, 3))
    for hour in range(24):
        own = ratio[of_day == hour]
        share = len(own) / (len(own) + _PRIOR)
        bounds[hour] = share * _bounds(own) + (1 - share) * whole if len(own) else whole
    middle, low, high = bounds.T
    return WithinHour(middle, low, high, fine.interval_us / 60e6, int(usable.sum()))


def _bounds(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quantile, and the order statistics that hold it with 95 %."""
    ordered = np.sort(ratio)
    at, wide = len(ordered) * _QUANTILE, _WIDE * np.sqrt(len(ordered) * _QUANTILE * (1 - _QUANTILE))
    low, high = (int(np.clip(rank, 0, len(ordered) - 1)) for rank in (np.floor(at - wide) - 1, np.ceil(at + wide) - 1))
    middle = float(np.quantile(ordered, _QUANTILE))
    return np.array([middle, min(middle, float(ordered[low])), max(middle, float(ordered[high]))])


def _complete(fine: Series, length: int, count: int) -> NDArray[np.bool_]:
    """Which whole hours have nearly all their readings."""
    first = fine.last_us - (len(fine.values) - 1) * fine.interval_us
    skip = int(-(first // fine.interval_us) % count)
    return np.asarray(np.isfinite(fine.values[skip : skip + length].reshape(-1, count)).mean(axis=1) >= _FULL)
