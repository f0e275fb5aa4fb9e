"""Readings of one series, and the roll-ups made of them. Pure.

A reading stands for the time from its instant on: ``seconds`` long where the source said so, 0 where it did not. What
the roll-ups say depends on the readings alone, not on the order or the portions in which they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TIERS", "Readings", "Rollup", "merge", "periods", "roll_up"]

TIERS = {"1min": 60, "5min": 300, "1h": 3600, "1day": 86_400}
"""Name and seconds of each roll-up, finest first. Buckets begin at whole multiples of them since 1970 UTC."""

_US = 1_000_000
_P = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Readings in order, each instant once."""

    times: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    values: NDArray[np.float64]
    """NaN: a row without a reading."""
    seconds: NDArray[np.int32]

    @classmethod
    def of(cls, times: NDArray[np.int64], values: NDArray[np.float64], seconds: int = 0) -> Readings:
        """From rows as they come: on the same instant the later row wins, but not with nothing against a reading."""
        order = np.lexsort((np.arange(len(times)), np.isfinite(values), times))
        times, values = times[order], values[order]
        last = np.append(np.diff(times) != 0, True) if len(times) else np.zeros(0, dtype=bool)
        times, values = times[last], values[last]
        return cls(times, values, np.full(len(times), seconds, dtype=np.int32))

    @classmethod
    def none(cls) -> Readings:
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int32))

    @classmethod
    def joined(cls, parts: list[Readings]) -> Readings:
        """Parts that follow one another in time as one."""
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("times", "values", "seconds")))

    def where(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> Readings:
        return Readings(self.times[mask], self.values[mask], self.seconds[mask])

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Mean, highest, 95th percentile and number of the readings of each bucket that has any."""

    times: NDArray[np.int64]
    mean: NDArray[np.float64]
    max: NDArray[np.float64]
    p95: NDArray[np.float64]
    """The lowest reading that is not exceeded for 95 % of the time that was read."""
    count: NDArray[np.int32]

    @classmethod
    def joined(cls, parts: list[Rollup]) -> Rollup:
        names = ("times", "mean", "max", "p95", "count")
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in names))


def merge(old: Readings, new: Readings) -> tuple[Readings, int, int]:
    """Both as one, the count of new instants and that of changed readings. The newer reading of an instant wins."""
    times = np.concatenate([old.times, new.times])
    values = np.concatenate([old.values, new.values])
    seconds = np.concatenate([old.seconds, new.seconds])
    order = np.lexsort((np.arange(len(times)), np.isfinite(values), times))
    keep = np.append(np.diff(times[order]) != 0, True) if len(times) else np.zeros(0, dtype=bool)
    kept = order[keep]
    merged = Readings(times[kept], values[kept], seconds[kept])
    where = np.searchsorted(old.times, new.times)
    known = np.zeros(len(new), dtype=bool)
    inside = where < len(old)
    known[inside] = old.times[where[inside]] == new.times[inside]
    had = old.values[where[known]]
    came = new.values[known]
    # What is computed anew from the same samples may differ in its last digits.
    other = np.isfinite(came) & ~np.isclose(came, had, rtol=1e-9, atol=0)
    return merged, int((~known).sum()), int(other.sum())


def periods(readings: Readings) -> NDArray[np.int64]:
    """Seconds that each reading stands for; where the source did not say, the median distance of such readings.

    An hour for a single one.
    """
    out = readings.seconds.astype(np.int64)
    unsaid = out == 0
    if unsaid.any():
        steps = np.diff(readings.times[unsaid])
        out[unsaid] = max(1, round(float(np.median(steps)) / _US)) if len(steps) else TIERS["1h"]
    return out


def roll_up(readings: Readings, tier: int) -> Rollup:
    """The buckets of ``tier`` seconds, from the readings that stand for no longer than that."""
    lasts = periods(readings)
    fit = np.isfinite(readings.values) & (lasts <= tier)
    times, values, weights = readings.times[fit], readings.values[fit], lasts[fit].astype(float)
    buckets = np.floor_divide(times, tier * _US)
    if not len(times):
        none = np.zeros(0)
        return Rollup(np.zeros(0, np.int64), none, none, none, np.zeros(0, np.int32))
    # By bucket, then by value: the last of a bucket is its highest, and shares add up towards the percentile.
    order = np.lexsort((values, buckets))
    buckets, values, weights = buckets[order], values[order], weights[order]
    starts = np.flatnonzero(np.append(True, np.diff(buckets) != 0))
    count = np.diff(np.append(starts, len(values)))
    share = weights / np.repeat(np.add.reduceat(weights, starts), count)
    reached = np.cumsum(share)
    reached -= np.repeat(reached[starts] - share[starts], count)
    at = np.minimum.reduceat(np.where(reached >= _P - 1e-9, np.arange(len(values)), len(values)), starts)
    return Rollup(
        buckets[starts] * tier * _US,
        np.add.reduceat(share * values, starts),
        values[starts + count - 1],
        values[np.minimum(at, starts + count - 1)],
        count.astype(np.int32),
    )
