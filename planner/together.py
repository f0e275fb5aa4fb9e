"""Hours taken together: paths whose errors hang together as they did at past origins, and the highest demand of a span.

The quantile of the highest of several hours is no quantile of any of them, and lies above all of theirs. Paths are
drawn by the Schaake shuffle (Clark et al. 2004; Schefzik, Thorarinsdottir & Gneiting 2013): each takes the ranks that
one past origin's errors had step by step, and at each step the value of that rank in the forecast. So every step keeps
its own quantiles, and steps hang together as they did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["drawn", "highest_within", "lead_of", "over_lead", "ranked"]

_COUNT = 1024
"""Paths at least."""
_GROUPS = 24
"""Groups whose paths are drawn at once, for memory's sake."""
_ROUNDING = 1e-9


def ranked(errors: NDArray[np.float64], steps: int) -> NDArray[np.uint8]:
    """Ranks of the origins' errors (series, origins, ahead) at each step ahead, from 0; of at most 256 origins.

    A late origin has seen nothing of its last cycles: there it goes on as an earlier one did. Beyond the cycles that
    half of the origins have seen, ranks repeat.
    """
    series, origins, ahead = errors.shape
    cycles = ahead // steps
    seen = min(cycles, (origins + 1) // 2)
    out = np.empty((series, origins, seen * steps), dtype=np.uint8)
    for cycle in range(seen):
        like = np.arange(origins) % (origins - cycle)
        part = errors[:, like, cycle * steps : (cycle + 1) * steps]
        # A hole in the history says nothing: in the middle.
        order = np.argsort(np.where(np.isfinite(part), part, 0.0), axis=1, kind="stable")
        own = out[:, :, cycle * steps : (cycle + 1) * steps]
        np.put_along_axis(own, order, np.arange(origins, dtype=np.uint8)[None, :, None], axis=1)
    return out[:, :, np.arange(ahead) % (seen * steps)]


def drawn(
    quantiles: NDArray[np.float64], levels: Sequence[float], ranks: NDArray[np.uint8], count: int = _COUNT
) -> NDArray[np.float64]:
    """At least ``count`` paths, (paths, steps), that have these quantiles (steps, levels) at every step.

    ``ranks`` (origins, steps) as :func:`ranked` gives them. Paths of one origin differ by where within its rank they
    run: evenly spread, so nothing is left to chance. Between levels and beyond the outermost values lie as those of a
    two-sided exponential do, as steep as between the two levels that are next.
    """
    origins = len(ranks)
    each = -(-count // origins)
    within = (np.arange(each) + 0.5) / each
    share = (ranks[:, None, :] + within[None, :, None]) / origins
    return _values(share.reshape(origins * each, -1), quantiles, np.asarray(levels))


def lead_of(lead_minutes: float, interval_minutes: float) -> tuple[int, float]:
    """A lead time as whole intervals, and the minutes that are left."""
    whole = max(0, math.floor(lead_minutes / interval_minutes + _ROUNDING))
    return whole, max(0.0, lead_minutes - whole * interval_minutes)


def over_lead(
    quantiles: NDArray[np.float64],
    levels: Sequence[float],
    ranks: NDArray[np.uint8] | None,
    interval_minutes: float,
    lead_minutes: float,
) -> NDArray[np.float64]:
    """Quantiles (steps, levels) of the highest from each step on, as many whole intervals ahead as the lead time has.

    A host ordered at an instant serves ``lead_minutes`` later; for the part of an interval that is left of them, floors
    rise before the step (:func:`lead_of`). The last steps look as far as data goes. Without ranks, the highest of the
    steps' own quantiles.
    """
    reach, _ = lead_of(lead_minutes, interval_minutes)
    bound = _over(quantiles, reach)
    if ranks is None or not reach or not len(quantiles):
        return bound
    return _no_less(_over(drawn(quantiles, levels, ranks[:, : len(quantiles)]).T, reach), levels, bound)


def highest_within(
    quantiles: NDArray[np.float64], levels: Sequence[float], ranks: NDArray[np.uint8] | None, first: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Quantiles (groups, levels) of the highest of the steps from each of ``first`` to the next."""
    bound = np.maximum.reduceat(quantiles, first, axis=0)
    if ranks is None:
        return bound
    out = bound.copy()
    ends = np.append(first[_GROUPS::_GROUPS], len(quantiles)).tolist()
    for i, end in enumerate(ends):
        some = slice(_GROUPS * i, _GROUPS * (i + 1))
        inside = slice(int(first[some][0]), end)
        paths = drawn(quantiles[inside], levels, ranks[:, inside])
        tops = np.maximum.reduceat(paths.T, first[some] - inside.start, axis=0)
        out[some] = _no_less(tops, levels, bound[some])
    return out


def _over(rows: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """The highest of each row (steps, columns) and the ``reach`` after it, as far as there are rows."""
    out = rows.copy()
    for later in range(1, min(reach, len(rows) - 1) + 1):
        np.maximum(out[:-later], rows[later:], out=out[:-later])
    return out


def _no_less(tops: NDArray[np.float64], levels: Sequence[float], bound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of each row (steps, paths), but no less than a bound that is certain: paths know them only roughly."""
    return np.asarray(np.maximum(np.quantile(tops, levels, axis=1, method="hazen").T, bound))


def _values(
    share: NDArray[np.float64], quantiles: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The value at each share (paths, steps) of that step's quantiles (steps, levels)."""
    if len(levels) == 1:
        return np.broadcast_to(quantiles[:, 0], share.shape).copy()
    step = np.arange(len(quantiles))
    below = np.clip(np.searchsorted(levels, share, side="right") - 1, 0, len(levels) - 2)
    at, wanted = _exponential(levels), _exponential(share)
    part = (wanted - at[below]) / np.diff(at)[below]
    return np.asarray(quantiles[step, below] + part * np.diff(quantiles, axis=1)[step, below])


def _exponential(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a two-sided exponential has its quantiles."""
    return np.asarray(np.where(share < 0.5, 1, -1) * np.log(2 * np.minimum(share, 1 - share)))
