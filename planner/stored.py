"""What the store says of a series: extent, resolutions, gaps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from quartermaster.planner.grid import iso
from quartermaster.planner.partitions import Shelf
from quartermaster.planner.readings import TIERS, Readings, periods, roll_up

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
    missing: int
    """Buckets within it that have no reading; of readings as they came, those that should stand in its gaps."""


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
    about, months = place.about(), place.months()
    if about is None or not months:
        return None
    by_month = {month: place.readings(month) for month in months}
    readings = Readings.joined(list(by_month.values()))
    tiers = []
    if len(readings):
        first, last = iso(int(readings.times[0])), iso(int(readings.times[-1]))
        tiers.append(Tier("as read", len(readings), first, last, _lacking(readings)))
    for name, seconds in TIERS.items():
        parts = [place.extent(month, seconds) or _extent(by_month[month], seconds) for month in months]
        if known := [part for part in parts if part is not None]:
            rows, start, end = sum(p[0] for p in known), known[0][1], known[-1][2]
            missing = (end - start) // (seconds * _US) + 1 - rows
            tiers.append(Tier(name, rows, iso(start), iso(end), missing))
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


def _lacking(readings: Readings) -> int:
    """Readings that should stand in the gaps, at the interval that is usual; one in each at least."""
    holes = gaps(readings)
    usual = float(np.median(np.diff(readings.times))) if holes else 1.0
    return sum(max(1, round((end - start) / usual)) for start, end in holes)


def _extent(readings: Readings, seconds: int) -> tuple[int, int, int] | None:
    """Of buckets that are not stored, as the readings are no finer."""
    times = roll_up(readings, seconds).times
    return (len(times), int(times[0]), int(times[-1])) if len(times) else None


def gaps(readings: Readings) -> list[tuple[int, int]]:
    """Stretches between readings in which another one should stand."""
    known = readings.where(np.isfinite(readings.values))
    if len(known) < 2:
        return []
    ends = known.times + periods(known) * _US
    # Half a period of leave: instants that jitter are no gaps.
    holes = np.flatnonzero(known.times[1:] - ends[:-1] > (ends - known.times)[:-1] // 2)
    return [(int(ends[i]), int(known.times[i + 1])) for i in holes]
