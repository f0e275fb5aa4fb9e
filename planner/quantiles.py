"""Quantiles around paths from the errors made at past origins (split conformal, by steps ahead and phase of the day).

After Vovk et al. (conformal prediction) and Hyndman & Athanasopoulos, FPP3 5.5 (bootstrapped residuals): the errors at
past origins, as many steps ahead, are what the next errors are taken to be like; scaled by how large they are at that
phase of the day, and, where that serves better, by the size of the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["around"]

_TAIL = 0.9
"""Beyond it an exponential tail stands beside the empirical quantile, which knows nothing past its largest error."""
_FLOOR = 0.05
"""Share of the usual path below which errors in percent shrink no further."""
_PRIOR = 8.0
"""Origins that the error of all phases counts for in the error of one."""
_OPTIMISM = 1.0
"""Errors on which weights were chosen are too small, and few origins show too few bad days: quantiles are moved out by
``1 + _OPTIMISM / sqrt(origins)`` (bench/planner.py: shares under q0.95 on real series)."""
_EDGES = (0.25, 1, 2, 4, 7, 14)
"""Cycles ahead at which a new bucket of errors begins."""
_GAIN = 0.99


def around(
    paths: NDArray[np.float64],
    came: NDArray[np.float64],
    steps: int,
    levels: NDArray[np.float64],
    *,
    relative: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Quantiles of the last of ``paths`` (series, origins + 1, ahead) from the errors of the others against ``came``.

    Shape (series, ahead, levels), ascending along ``levels``, which ascend. ``relative``: series whose errors may be
    taken in percent of the path.
    """
    past, last = paths[:, :-1], paths[:, -1]
    errors = came - past
    phase = _by_phase(errors, steps)
    usual = _usual(past, steps)
    plain = (np.broadcast_to(phase[:, None], past.shape), phase)
    best, loss = _made(plain[0], plain[1], errors, last, steps, levels)
    if relative.any():
        grown, now = phase[:, None] * _size(past, usual[:, None]), phase * _size(last, usual)
        other, less = _made(grown, now, errors, last, steps, levels)
        swap = relative & (less < _GAIN * loss)
        best = np.where(swap[:, None, None], other, best)
    return best


def _made(
    scale: NDArray[np.float64],
    now: NDArray[np.float64],
    errors: NDArray[np.float64],
    last: NDArray[np.float64],
    steps: int,
    levels: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles with that scale of errors (at the origins, now), and their pinball loss at the origins, by series."""
    series, origins, ahead = errors.shape
    scaled = errors / scale
    out = np.empty((series, ahead, len(levels)))
    loss = np.zeros(series)
    edges = _edges(ahead, steps)
    widen = 1 + _OPTIMISM / np.sqrt(max(origins, 1))
    for start, end in zip(edges, (*edges[1:], ahead), strict=True):
        offsets = _quantiles(scaled[:, :, start:end].reshape(series, -1), levels)
        middle = _quantiles(scaled[:, :, start:end].reshape(series, -1), np.array([0.5]))
        offsets = middle + widen * (offsets - middle)
        out[:, start:end] = last[:, start:end, None] + offsets[:, None] * now[:, start:end, None]
        short = errors[:, :, start:end, None] - offsets[:, None, None] * scale[:, :, start:end, None]
        loss += np.nansum(np.maximum(levels * short, (levels - 1) * short), axis=(1, 2, 3))
    return np.maximum.accumulate(out, axis=2), loss


def _edges(ahead: int, steps: int) -> list[int]:
    wanted = sorted({round(edge * steps) for edge in _EDGES if 0 < round(edge * steps) < ahead})
    return [0, *wanted]


def _by_phase(errors: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Size of errors at each step ahead by its phase, drawn towards that of all phases, (series, ahead); above 0."""
    series, _, ahead = errors.shape
    cycles = np.abs(errors).reshape(series, -1, steps)
    finite = np.isfinite(cycles)
    number = finite.sum(axis=1)
    total = np.where(finite, cycles, 0.0).sum(axis=1)
    everywhere = total.sum(axis=1, keepdims=True) / np.maximum(number.sum(axis=1, keepdims=True), 1)
    weight = _PRIOR * ahead / steps
    size = (total + weight * everywhere) / (number + weight)
    size = np.where(size > 0, size, 1.0)
    return np.tile(size, ahead // steps)


def _usual(past: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Mean path at each phase, (series, ahead)."""
    series, _, ahead = past.shape
    cycles = past.reshape(series, -1, steps)
    number = np.isfinite(cycles).sum(axis=1)
    mean = np.nansum(cycles, axis=1) / np.maximum(number, 1)
    return np.tile(mean, ahead // steps)


def _size(path: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(path / np.where(usual > 0, usual, 1.0), _FLOOR)


def _quantiles(errors: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of each row of errors (series, n), NaN left out; with tails past the empirical ones where few."""
    ordered = np.sort(errors, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    some = np.maximum(count, 1)
    ordered = np.where(count[:, None] > 0, ordered, 0.0)
    # (n + 1) instead of n: the conformal correction for the forecast to come being one more draw.
    plain = _at(ordered, some, np.clip((levels[None] * (some + 1)[:, None] - 0.5) / some[:, None], 0, 1))
    high = _at(ordered, some, np.full((len(some), 1), _TAIL))
    low = _at(ordered, some, np.full((len(some), 1), 1 - _TAIL))
    with np.errstate(invalid="ignore"):
        over = _mean_where(ordered - high, ordered > high)
        under = _mean_where(low - ordered, ordered < low)
    upper = high + over * np.log((1 - _TAIL) / (1 - np.minimum(levels, 1 - 1e-9)))[None]
    lower = low - under * np.log((1 - _TAIL) / np.maximum(levels, 1e-9))[None]
    few = np.minimum(1.0, 200 / some)[:, None]
    out = np.where(levels > _TAIL, np.maximum(plain, few * upper + (1 - few) * plain), plain)
    return np.asarray(np.where(levels < 1 - _TAIL, np.minimum(out, few * lower + (1 - few) * plain), out))


def _at(ordered: NDArray[np.float64], count: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation at a share of the way through the first ``count`` of each sorted row."""
    place = share * (count - 1)[:, None]
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, (count - 1)[:, None])
    first = np.take_along_axis(ordered, below, axis=1)
    return np.asarray(first + (place - below) * (np.take_along_axis(ordered, above, axis=1) - first))


def _mean_where(values: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    number = there.sum(axis=1, keepdims=True)
    return np.asarray(np.where(there, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(number, 1))
