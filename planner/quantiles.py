"""Quantiles around paths from the errors made at past origins (split conformal, scaled by when errors are large).

After Vovk et al. (conformal prediction) and Hyndman & Athanasopoulos, FPP3 5.5 (bootstrapped residuals): the errors at
past origins are what the next errors are taken to be like, once each is divided by how large errors are at its phase of
the day and so many steps ahead. Late origins count for more, as they had more to learn from and errors come in calm and
restless spells.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bounds", "around", "empirical", "picked", "pinball", "sampled", "say"]

_TAIL = 0.95
"""Beyond it an exponential tail stands beside the empirical quantile, which knows nothing past its largest error."""
_MANY = 200
"""Errors from which on the exponential tail begins to count for less."""
_PRIOR = 8.0
"""Cycles that the error of all phases counts for in the error of one."""
_GROWTH_PRIOR = 4.0
"""Origins for which errors do not grow with the steps ahead."""
_OPTIMISM = 1.1
"""Errors on which weights were chosen are too small, and few origins show too few bad days: quantiles are moved out by
the inverse root of the origins and two more, so much at 0.95 (bench/calibration.py)."""
_LEAN = 0.25
"""Share of the usual error that the median leaves out: what lay on one side for weeks goes on there only in part."""
_RECENT = 14.0
"""Half-life of an origin's say in cycles."""
_MOST_ERRORS = 1500
"""Errors of a series looked at, or a few more: neighbours are alike, and sorting all of them took half of the time."""
_SHIFT = 5
"""Steps by which those looked at move from one origin to the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Quantiles of a batch, and what they would have cost."""

    quantiles: NDArray[np.float64]
    """(series, ahead, levels), ascending along levels."""
    loss: NDArray[np.float64]
    """(series, levels): pinball loss at the origins, late ones counting for more."""


def around(paths: NDArray[np.float64], came: NDArray[np.float64], steps: int, levels: NDArray[np.float64]) -> Bounds:
    """Quantiles of the last of ``paths`` (series, origins + 1, ahead) from the errors of the others against ``came``.

    ``levels`` ascend.
    """
    past, last = paths[:, :-1], paths[:, -1]
    origins = past.shape[1]
    errors = came - past
    size = _sizes(errors, say(origins), steps)
    origin, step = sampled(*past.shape[1:])
    some, scale = picked(errors, origin, step), np.take(size, step, axis=1)
    offsets = empirical(some / scale, say(origins)[origin], np.append(levels, 0.5))
    middle = offsets[:, -1:]
    # Far levels keep nearly all of it: there it is part of how far errors reach.
    kept = 1 - _LEAN * 4 * levels * (1 - levels)
    offsets = kept * middle + _widened(levels, origins) * (offsets[:, :-1] - middle)
    loss = pinball(some, offsets[:, None] * scale[:, :, None], levels, say(origins)[origin])
    out = last[:, :, None] + offsets[:, None] * size[:, :, None]
    return Bounds(np.maximum.accumulate(out, axis=2), loss)


def pinball(
    came: NDArray[np.float64], there: NDArray[np.float64], levels: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pinball loss (series, levels) of quantiles against what came (series, n), each with a weight; NaN costs nothing.

    ``there`` is (series, n, levels).
    """
    out = np.empty((len(came), len(levels)))
    for i, level in enumerate(levels):
        short = came - there[..., i]
        # No product of matrices: its last bit would depend on how many series there are.
        out[:, i] = np.nansum(np.maximum(level * short, (level - 1) * short) * weights, axis=1)
    return out


def say(origins: int) -> NDArray[np.float64]:
    """The say of each origin; 1 on average."""
    weights = 0.5 ** (np.arange(origins)[::-1] / _RECENT)
    return np.asarray(weights * (origins / weights.sum()) if origins else weights)


def sampled(origins: int, ahead: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Origin and step ahead of the errors that are looked at: every n-th, with other steps from each origin."""
    every = -(-origins * ahead // _MOST_ERRORS)
    origin, step = np.indices((origins, ahead))
    kept = (step + _SHIFT * origin) % max(every, 1) == 0
    return origin[kept], step[kept]


def picked(rows: NDArray[np.float64], origin: NDArray[np.int64], step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Those of rows (series, origins, ahead), a series in one piece of memory: else sums go by how many there are."""
    return np.asarray(np.take(rows.reshape(len(rows), -1), origin * rows.shape[2] + step, axis=1))


def _widened(levels: NDArray[np.float64], origins: int) -> NDArray[np.float64]:
    """Factor on the distance of each level from the median.

    It grows with the level as Student's t does over the normal (first term of the expansion by Cornish and Fisher).
    """
    z = np.array([NormalDist().inv_cdf(level) for level in levels.tolist()])
    return np.asarray(1 + _OPTIMISM * (z**2 + 1) / (NormalDist().inv_cdf(0.95) ** 2 + 1) / np.sqrt(origins + 2))


def _sizes(errors: NDArray[np.float64], weights: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Size of errors at each step ahead, (series, ahead); above 0.

    The product of what is usual at its phase of the day, drawn towards all phases, and of how errors grow with the
    steps ahead. Over a single cycle phase and steps ahead are one, and the first stands for both.
    """
    series, _, ahead = errors.shape
    known = np.isfinite(errors)
    number = np.einsum("soa,o->sa", known, weights)
    total = np.einsum("soa,o->sa", np.where(known, np.abs(errors), 0.0), weights)
    everywhere = total.sum(axis=1, keepdims=True) / np.maximum(number.sum(axis=1, keepdims=True), 1e-9)
    everywhere = np.where(everywhere > 0, everywhere, 1.0)
    cycles = ahead // steps
    prior = _PRIOR * cycles
    by_phase = number.reshape(series, cycles, steps).sum(axis=1)
    growth = np.ones((series, ahead))
    for _ in range(2):
        own = (total / growth).reshape(series, cycles, steps).sum(axis=1)
        phase = np.tile((own + prior * everywhere) / (by_phase + prior), cycles)
        if cycles == 1:
            break
        growth = _growth(total / phase, number, steps)
    return np.asarray(phase * growth)


def _growth(total: NDArray[np.float64], number: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Mean of sums (series, ahead) of that many errors over the steps from half to twice as far, at most a cycle."""
    at = np.arange(total.shape[1])
    start = np.maximum((at + 1) // 2, at - steps // 2)
    end = np.minimum(np.minimum(2 * (at + 1), at + steps // 2 + 1), len(at))
    summed = [np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0))) for part in (total, number)]
    over, count = (part[:, end] - part[:, start] for part in summed)
    prior = _GROWTH_PRIOR * (end - start)
    return np.asarray((over + prior) / (count + prior))


def empirical(
    errors: NDArray[np.float64], weights: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted quantiles of each row of errors (series, n), NaN left out; with tails past the empirical ones."""
    order = np.argsort(errors, axis=1)  # NaN last
    ordered = np.take_along_axis(errors, order, axis=1)
    known = np.isfinite(ordered)
    count = known.sum(axis=1)
    say = np.where(known, weights[order], 0.0)
    ordered = np.where(known, ordered, 0.0)
    upto = np.cumsum(say, axis=1)
    # In the middle of its own weight each error stands for its level.
    place = (upto - say / 2) / np.maximum(upto[:, -1:], 1e-300)

    def at(level: float) -> NDArray[np.float64]:
        above = (known & (place < level)).sum(axis=1)
        pair = np.clip(np.stack([above - 1, above], axis=1), 0, np.maximum(count - 1, 0)[:, None])
        (x0, x1), (y0, y1) = (np.take_along_axis(part, pair, axis=1).T for part in (place, ordered))
        share = np.where(x1 > x0, (level - x0) / np.where(x1 > x0, x1 - x0, 1.0), 0.0)
        return np.asarray(y0 + np.clip(share, 0.0, 1.0) * (y1 - y0))

    high, low = at(_TAIL), at(1 - _TAIL)
    over = _mean((ordered - high[:, None]), say * (known & (ordered > high[:, None])))
    under = _mean((low[:, None] - ordered), say * (known & (ordered < low[:, None])))
    few = np.minimum(1.0, _MANY / np.maximum(count, 1))
    out = np.empty((len(errors), len(levels)))
    for i, level in enumerate(levels.tolist()):
        out[:, i] = plain = at(level)
        if level > _TAIL:
            reached = high + over * np.log((1 - _TAIL) / max(1 - level, 1e-9))
            out[:, i] = np.maximum(plain, few * reached + (1 - few) * plain)
        elif level < 1 - _TAIL:
            reached = low - under * np.log((1 - _TAIL) / max(level, 1e-9))
            out[:, i] = np.minimum(plain, few * reached + (1 - few) * plain)
    return out


def _mean(values: NDArray[np.float64], say: NDArray[np.float64]) -> NDArray[np.float64]:
    total = say.sum(axis=1)
    return np.asarray((values * say).sum(axis=1) / np.where(total > 0, total, 1.0))
