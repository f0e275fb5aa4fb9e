"""Unit capacity: the demand that one instance carries at target utilisation, learned from utilisation against load.

The history is told by companion series beside the demand ``web``: ``web:utilisation`` (a share, or percent by its unit)
and ``web:instances``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from quartermaster.fleet.errors import InputError
from quartermaster.planner.series import Series

__all__ = ["COMPANIONS", "UnitCapacity", "given", "is_companion", "learn", "period_seconds"]

COMPANIONS = (":utilisation", ":instances")
_FEWEST = 48
_LEAST_CORRELATION = 0.5


@dataclass(frozen=True, slots=True)
class UnitCapacity:
    """Demand per instance at target utilisation."""

    value: float
    low: float
    high: float
    """95 % interval; equal to the value where it was given."""
    source: str
    """``given`` or ``learned``."""
    why: str

    def to_json(self) -> dict[str, float | str]:
        return asdict(self)


def is_companion(series: str) -> bool:
    """Whether the series tells of another one rather than of demand."""
    return series.endswith(COMPANIONS)


def period_seconds(unit: str) -> float:
    """Seconds that a reading in this unit counts over: 1 for ``x/s``, 3600 for ``x/h``, 300 for ``x/5min``.

    1 for a unit without a period: a level, or a rate whose source does not say.
    """
    match = re.search(r"/\s*(\d*)\s*(s|sec|second|min|m|minute|h|hour|d|day)s?$", unit.strip().lower())
    if match is None:
        return 1.0
    length = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2][0]]
    return float(int(match[1] or 1) * length)


def given(value: float) -> UnitCapacity:
    """The figure that the user wrote."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"unit capacity {value:g} carries nothing", remedy="give --unit-capacity a number above 0")
    return UnitCapacity(value, value, value, "given", "given by hand")


def learn(demand: Series, by_name: Mapping[str, Series], target_utilisation: float) -> UnitCapacity:
    """Learn it by a robust line (Theil-Sen) of utilisation over demand per instance.

    Raises InputError that says what is missing: then ``--unit-capacity`` has to give it.
    """
    utilisation, count = (by_name.get(demand.id + suffix) for suffix in COMPANIONS)
    missing = [s for s, found in zip(COMPANIONS, (utilisation, count), strict=True) if found is None]
    if utilisation is None or count is None:
        wanted = " and ".join(demand.id + s for s in missing)
        raise _cannot(demand.id, f"there is no history {wanted}")
    load, busy, many = _aligned(demand, utilisation, count)
    if utilisation.unit.lower() in ("percent", "%"):
        busy = busy / 100
    usable = np.isfinite(load) & np.isfinite(busy) & np.isfinite(many) & (many >= 1) & (busy > 0) & (busy <= 0.9)
    each, busy = load[usable] / many[usable], busy[usable]
    if len(each) < _FEWEST:
        raise _cannot(demand.id, f"only {len(each)} hours have demand, utilisation and instances (needs {_FEWEST})")
    low, high = np.quantile(each, [0.05, 0.95])
    if high <= 1.2 * low:
        raise _cannot(demand.id, f"demand per instance hardly moves ({low:.3g} to {high:.3g})")
    correlation = float(np.corrcoef(each, busy)[0, 1]) if busy.std() > 0 else 0.0
    if correlation < _LEAST_CORRELATION:
        raise _cannot(demand.id, f"utilisation does not follow demand (correlation {correlation:.2f})")
    from scipy.stats import theilslopes

    # Pairs grow with the square of the hours: 1,000 spread over the history are enough for the slope.
    some = np.linspace(0, len(each) - 1, min(len(each), 1000)).astype(int)
    slope, idle, slope_low, slope_high = map(float, theilslopes(busy[some], each[some]))
    if slope_low <= 0 or target_utilisation <= idle:
        raise _cannot(demand.id, "the line of utilisation over demand does not reach the target utilisation")
    centre_load, centre_busy = float(np.median(each)), float(np.median(busy))
    ends = sorted(centre_load + (target_utilisation - centre_busy) / s for s in (slope_low, slope_high))
    value = (target_utilisation - idle) / slope
    why = f"{len(each)} hours, correlation {correlation:.2f}, idle utilisation {max(idle, 0):.2f}"
    if value > 1.5 * float(each.max()):
        why += f"; beyond the {each.max():.3g} an instance was ever seen to carry: an extrapolation"
    return UnitCapacity(value, min(ends[0], value), max(ends[1], value), "learned", why)


def _aligned(*series: Series) -> tuple[np.ndarray, ...]:
    """Values of all at the instants of the first."""
    first = series[0]
    times = first.last_us - first.interval_us * np.arange(len(first.values) - 1, -1, -1)
    out = []
    for s in series:
        step = np.floor_divide(times - (s.last_us - s.interval_us * (len(s.values) - 1)), s.interval_us)
        inside = (step >= 0) & (step < len(s.values))
        out.append(np.where(inside, s.values[np.clip(step, 0, len(s.values) - 1)], np.nan))
    return tuple(out)


def _cannot(name: str, why: str) -> InputError:
    return InputError(
        f"unit capacity of {name} cannot be learned: {why}",
        remedy=f"give --unit-capacity X (demand one instance carries at target utilisation), "
        f"or capacity.{name}.unit in fleet.yaml",
    )
