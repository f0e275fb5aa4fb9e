"""From samples of counters to what was counted per second. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LONGEST_US", "rate", "total"]

LONGEST_US = 300_000_000
"""Samples further apart say nothing of the time between them: Prometheus too looks back five minutes and no more."""


def rate(times: NDArray[np.int64], values: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """What one counter counted per second between each two edges; NaN where no samples enclose that time.

    A counter that falls has begun anew at 0: all it shows then has been counted since. Between samples it is taken to
    have counted evenly, so that scrapes need not meet the edges. Times in microseconds, sorted, each once.
    """
    out = np.full(len(edges) - 1, np.nan)
    if len(times) < 2:
        return out
    steps = np.diff(values)
    counted = np.concatenate(([0.0], np.cumsum(np.where(steps < 0, values[1:], steps))))
    at = np.interp(edges, times, counted)
    close = np.diff(times) <= LONGEST_US
    # How much of the time up to an edge is enclosed by close samples: between two edges it must be all of it.
    enclosed = np.interp(edges, times, np.concatenate(([0], np.cumsum(np.where(close, np.diff(times), 0)))))
    whole = np.diff(enclosed) >= np.diff(edges) - 0.5
    out[whole] = (np.diff(at) / np.diff(edges) * 1e6)[whole]
    return out


def total(rates: Sequence[NDArray[np.float64]], steps: int) -> NDArray[np.float64]:
    """The sum over counters; NaN where none says anything."""
    if not rates:
        return np.full(steps, np.nan)
    stacked = np.stack(rates)
    known = np.isfinite(stacked)
    return np.where(known.any(axis=0), np.where(known, stacked, 0.0).sum(axis=0), np.nan)
