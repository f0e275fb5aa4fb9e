"""Calendar months as an interval: one reading a month, 28 to 31 days after the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import DAY_US, HOUR_US, MONTH_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["instants", "number", "one_each"]

_FEWEST = 3
_SHORTEST_US = 28 * DAY_US
_NEAR = 2 * HOUR_US
"""Months begin by a local clock, which summer moves."""


def number(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Months since 1970 of instants in microseconds."""
    return np.asarray(times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64))


def one_each(times: NDArray[np.int64]) -> bool:
    """Whether ascending instants lie in months of their own, each as far from its month's first or last instant."""
    if len(times) < _FEWEST or times[-1] - times[0] < _SHORTEST_US * (len(times) - 1):
        return False
    months = number(times)
    steps = np.diff(months)
    if (steps < 1).any() or np.median(steps) > 1:
        return False
    return bool(min(np.ptp(times - _start(months)), np.ptp(_start(months + 1) - times)) <= _NEAR)


def instants(last_us: int, interval_us: int, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The instants so many intervals after the last one (before it: negative), in microseconds.

    From the last day of a month months are counted to the last day of others.
    """
    if interval_us != MONTH_US:
        return last_us + interval_us * steps
    months = number(np.array([last_us])) + np.append(0, steps)
    start, end = _start(months), _start(months + 1)
    within = last_us - start[0]
    left = end[0] - last_us
    if left <= DAY_US + _NEAR:
        return np.asarray(end[1:] - left)
    return np.asarray(np.minimum(start + within, end - DAY_US + within % DAY_US)[1:])


def _start(months: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64))
