"""What the store says of a series: extent, resolutions, gaps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartermaster.planner.grid import iso
from quartermaster.planner.partitions import Shelf
from quartermaster.planner.readings import TIERS, Readings, periods

__all__ = ["StoredSeries", "Tier", "describe", "gaps"]

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Tier:
    """How much of a series there is at one resolution."""

    name: str
    """``as read``, ``1min``, ``5min``, ``1h``, ``1day``."""
    rows: int
    first: str
    last: str
    gaps: int
    """Stretches within it without a reading."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One line of ``ops metrics list``."""

    series: str
    unit: str
    rows: int
    readings: int
    first: str
    last: str
    interval_seconds: float
    origin: str = ""
    """Where it is synced from; empty for an imported one."""
    tiers: tuple[Tier, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(place: Shelf) -> StoredSeries | None:
    about, readings = place.about(), place.readings()
    if about is None or not place.months():
        return None
    tiers = [Tier("as read", len(readings), *_span(readings.times), len(gaps(readings)))] if len(readings) else []
    for name, seconds in TIERS.items():
        times = place.rollup(seconds).times
        if len(times):
            tiers.append(Tier(name, len(times), *_span(times), int((np.diff(times) > seconds * _US).sum())))
    steps = np.diff(readings.times)
    return StoredSeries(
        about.series,
        about.unit,
        len(readings),
        int(np.isfinite(readings.values).sum()),
        min((t.first for t in tiers), default=""),
        max((t.last for t in tiers), default=""),
        float(np.median(steps)) / 1e6 if len(steps) else 0.0,
        about.origin,
        tuple(tiers),
    )


def _span(times: NDArray[np.int64]) -> tuple[str, str]:
    return iso(int(times[0])), iso(int(times[-1]))


def gaps(readings: Readings) -> list[tuple[int, int]]:
    """Stretches between readings in which another one should stand."""
    known = readings.where(np.isfinite(readings.values))
    if len(known) < 2:
        return []
    ends = known.times + periods(known) * _US
    # Half a period of leave: instants that jitter are no gaps.
    holes = np.flatnonzero(known.times[1:] - ends[:-1] > (ends - known.times)[:-1] // 2)
    return [(int(ends[i]), int(known.times[i + 1])) for i in holes]
