"""Units that change: readings that jump by just the factor between two units, for a span or for good."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rescaled", "rescaled"]

_FACTORS = np.array([60, 100, 300, 1000, 3600, 86_400, 1e6, 3.6e6, 1e9])
"""Seconds, minutes, five minutes, hours and days; percent; thousands."""
_OF_BYTES = np.array([1000.0, 1024.0, 1e6, 1024.0**2, 1e9, 1024.0**3])
_JUMP = float(np.log(40))
"""Smallest jump of a unit, as a logarithm: demand itself may grow by less overnight."""
_NEAR = float(np.log(1.25))
"""A jump may miss its factor by so much, as days differ; not far enough to be taken for the next factor."""
_NEAR_TOGETHER = float(np.log(1.1))
"""All jumps of a series together."""
_FEWEST = 24
_SHORTEST = 3
_MOST_PARTS = 8


@dataclass(frozen=True, slots=True)
class Rescaled:
    """Readings in another unit."""

    start: int
    stop: int
    factor: float
    """To multiply them by."""


def rescaled(values: NDArray[np.float64], day: int, *, of_bytes: bool = False) -> tuple[Rescaled, ...]:
    """The parts of a series (NaN = no reading, ``day`` steps a day) that are not in the unit it has now.

    The unit it has now is that of its last day; a jump within that is taken for the passing one.
    """
    finite = np.isfinite(values)
    positive = np.flatnonzero(finite & (values > 0))
    if len(positive) < _FEWEST or len(positive) < 0.9 * finite.sum():
        return ()
    logs = np.log(values[positive])
    if np.ptp(logs) < _JUMP:
        return ()
    # A median over five keeps edges where they are, and lets single absurd readings pass.
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(logs, 2, mode="edge"), 5), axis=1)
    edges = np.flatnonzero(np.abs(np.diff(smooth)) > _JUMP) + 1
    if not 0 < len(edges) < _MOST_PARTS:
        return ()
    bounds = [0, *edges.tolist(), len(positive)]
    if np.diff(bounds).min() < _SHORTEST:
        return ()
    factors = np.log(_OF_BYTES if of_bytes else _FACTORS)
    level, missed = np.zeros(len(bounds) - 1), 0.0
    for i, edge in enumerate(edges.tolist()):
        apart = _apart(logs, positive, slice(bounds[i], edge), slice(edge, bounds[i + 2]), day)
        nearest = float(factors[np.abs(factors - abs(apart)).argmin()])
        if abs(nearest - abs(apart)) > _NEAR:
            return ()
        level[i + 1] = level[i] + np.sign(apart) * nearest
        missed += (abs(apart) - nearest) / len(edges)
    if len(edges) > 1 and abs(missed) > _NEAR_TOGETHER:
        return ()
    last = len(level) - 1
    now = last if bounds[-1] - bounds[-2] >= min(day, _FEWEST) else last - 1
    out = []
    for i, (start, stop) in enumerate(itertools.pairwise(bounds)):
        # There and back by 1000 and by 1024 is there and back.
        if abs(level[i] - level[now]) > _NEAR_TOGETHER:
            first = int(positive[start]) if start else 0
            after = int(positive[stop]) if stop < len(positive) else len(values)
            out.append(Rescaled(first, after, float(np.exp(level[now] - level[i]))))
    return tuple(out)


def _apart(logs: NDArray[np.float64], steps: NDArray[np.int64], before: slice, after: slice, day: int) -> float:
    """How far one part lies above the one before it; by the same hours of the week or day where they share any."""
    edge = after.start
    for period in (7 * day, day):
        former, later = slice(max(before.start, edge - period), edge), slice(edge, min(after.stop, edge + period))
        _, one, other = np.intersect1d(steps[former] % period, steps[later] % period, return_indices=True)
        if len(one) >= _SHORTEST:
            return float(np.median(logs[later][other] - logs[former][one]))
    return float(np.median(logs[after]) - np.median(logs[before]))
