"""Several forecasters as one: weighted for each series and cycle ahead by what they were worth at past origins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Mixture", "mixed"]

_POWER = 6
"""Weights are inverse errors to this power: about the best member, and the mean of those that tie with it."""
_WORST = 1.3
"""A member whose error exceeds the best one's by this factor has no say."""
_PLAIN = 1.25
"""Errors of plain rules count for this much more: at past origins the others had less history than they have now."""
_WORSE = 1.2
"""A member whose error exceeds that of the best seasonal naive by this factor has no say."""
_RECENT = 14.0
"""Half-life of an origin's say in cycles: early origins had less to learn from than the forecast has."""
_OWN = 0.5
"""Share of a cycle's own error in its weight; the rest is the error over all cycles ahead, which is steadier."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """The mixture of one batch."""

    names: tuple[str, ...]
    errors: NDArray[np.float64]
    """(series, members): mean absolute error over the origins; infinite where a member did not run."""
    weights: NDArray[np.float64]
    """(series, members, blocks), summing to 1 over members."""
    paths: NDArray[np.float64]
    """(series, origins + 1, blocks * steps)."""
    apart: NDArray[np.float64]
    """Those of each member, (series, members, origins + 1, blocks * steps)."""


def mixed(
    paths: Mapping[str, NDArray[np.float64]],
    came: NDArray[np.float64],
    steps: int,
    *,
    plain: Collection[str],
    naive: Collection[str],
) -> Mixture:
    """Mix paths (series, origins + 1, ahead) by their errors against what came (series, origins, ahead).

    ``plain`` names the members that learn nothing, ``naive`` those of them that every other must beat.
    """
    names = tuple(paths)
    series, origins, ahead = came.shape
    blocks = ahead // steps
    every = np.stack([paths[name] for name in names], axis=1)
    apart = np.abs(every[:, :, :-1] - came[:, None]).reshape(series, len(names), origins, blocks, steps)
    by_origin = _mean(apart, axis=4)
    level = _level(by_origin)
    fade = 0.5 ** (np.arange(origins)[::-1] / _RECENT)
    by_block = _mean(by_origin * level, axis=2, weights=fade[:, None])
    whole = _mean(by_block, axis=2)
    whole = np.where(np.isfinite(whole), whole, np.inf)
    own = np.where(np.isfinite(by_block), by_block, whole[:, :, None])
    error = _OWN * own + (1 - _OWN) * whole[:, :, None]
    flags = [np.array([name in some for name in names]) for some in (plain, naive)]
    weights = _weights(error, whole, *flags)
    spread = np.repeat(weights, steps, axis=2)[:, :, None]
    # A member that passed over an origin has no part in the path there.
    part = np.where(np.isfinite(every), spread, 0.0)
    total = part.sum(axis=1)
    path = (part * np.where(np.isfinite(every), every, 0.0)).sum(axis=1) / np.where(total > 0, total, 1.0)
    return Mixture(names, whole, weights, np.where(total > 0, path, np.nan), every)


def _level(by_origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factor that makes errors of a member that ran at few origins comparable: those origins may be easy ones."""
    common = np.isfinite(by_origin).all(axis=(0, 2, 3)) if by_origin.size else np.zeros(0, dtype=bool)
    ran = np.isfinite(by_origin).any(axis=3, keepdims=True)
    if ran.all() or not common.any():
        return np.ones((by_origin.shape[0], by_origin.shape[1], 1, 1))
    usual = np.median(by_origin[:, common].mean(axis=3, keepdims=True), axis=1, keepdims=True)
    there = _mean(np.where(ran, usual, np.nan), axis=2)[:, :, None]
    return np.asarray(_mean(usual, axis=2)[:, :, None] / np.where(there > 0, there, 1.0))


def _weights(
    error: NDArray[np.float64], whole: NDArray[np.float64], plain: NDArray[np.bool_], naive: NDArray[np.bool_]
) -> NDArray[np.float64]:
    counted = np.where(plain[:, None], _PLAIN, 1.0) * error
    if naive.any():
        limit = _WORSE * whole[:, naive].min(axis=1, keepdims=True)
        counted = np.where(((whole > limit) & ~naive)[:, :, None], np.inf, counted)
    best = counted.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(counted <= _WORST * best, np.where(counted > 0, best / counted, 1.0), 0.0)
    ratio = np.where(np.isfinite(ratio), ratio, 0.0)
    weights = ratio**_POWER
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights / np.where(total > 0, total, 1.0))


def _mean(values: NDArray[np.float64], axis: int, weights: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
    """Mean of what is finite; NaN where nothing is."""
    finite = np.isfinite(values)
    number = (finite * weights).sum(axis=axis)
    total = (np.where(finite, values, 0.0) * weights).sum(axis=axis)
    return np.asarray(np.where(number > 0, total / np.where(number > 0, number, 1.0), np.nan))
