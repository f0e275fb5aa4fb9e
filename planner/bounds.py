"""Upper bounds averaged: those around the mixture's path, around each forecaster's own, and those of the last days.

Bounds around a path are those of a guess at when demand rises. Where nothing tells when, quantiles of what the last
days held serve better, and few days are enough for them. And the path nearest to demand is not the one whose errors
reach least far above it. Each is worth what it was at past origins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.cycles import Cycles
from quartermaster.planner.mixture import Mixture
from quartermaster.planner.quantiles import Bounds, around, empirical, picked, pinball, sampled, say

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["averaged"]

_SPANS = (1, 3, 7)
"""Cycles whose readings are taken as one distribution, whatever their phase."""
_POWER = 6
_WORST = 1.3
"""As for paths (mixture.py): weights are inverse losses to this power, and none where a loss is that much larger."""
_ALONE = 1.2
"""The loss of bounds around one forecaster's path counts for this much more than around the mixture's."""
_OPTIMISM = 1.0
"""Bounds around paths are judged by the errors that they are made of: this over the origins is added to their loss."""


def averaged(
    mixed: Bounds, mixture: Mixture, past: Cycles, came: NDArray[np.float64], levels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles (series, ahead, levels), those above the median averaged, and the share (series,) of the last days.

    ``mixed`` are the bounds around the mixture's path, ``came`` (series, origins, ahead) what they were judged by. The
    median stays theirs.
    """
    upper = levels > 0.5
    if not upper.any():
        return mixed.quantiles, np.zeros(len(past))
    alone = list(_alone(mixture, past.shape.steps, came, levels))
    flat = list(_flat(past, came, levels[upper]))
    every = [Bounds(mixed.quantiles[:, :, upper], mixed.loss[:, upper]), *alone, *flat]
    loss = np.maximum(np.stack([one.loss for one in every]).sum(axis=2), 1e-300)
    loss[: 1 + len(alone)] *= 1 + _OPTIMISM / came.shape[1]
    ratio = loss.min(axis=0) / loss
    weights = np.where(ratio * _WORST >= 1, ratio, 0.0) ** _POWER
    # One after the other: how a library adds up goes by how many series there are.
    weights /= np.asarray(sum(weights))
    out = mixed.quantiles.copy()
    out[:, :, upper] = sum(part[:, None, None] * one.quantiles for part, one in zip(weights, every, strict=True))
    return np.maximum.accumulate(out, axis=2), weights[len(every) - len(flat) :].sum(axis=0)


def _alone(mixture: Mixture, steps: int, came: NDArray[np.float64], levels: NDArray[np.float64]) -> Iterator[Bounds]:
    """Upper bounds around each forecaster's own path; of infinite loss where it passed over an origin."""
    upper = levels > 0.5
    for k in range(len(mixture.names)):
        ran = np.isfinite(mixture.apart[:, k]).all(axis=(1, 2))
        if ran.any():
            made = around(mixture.apart[ran, k], came[ran], steps, levels)
            quantiles = np.zeros((len(came), came.shape[2], int(upper.sum())))
            loss = np.full((len(came), int(upper.sum())), np.inf)
            quantiles[ran], loss[ran] = made.quantiles[:, :, upper], made.loss[:, upper] * _ALONE
            yield Bounds(quantiles, loss)


def _flat(past: Cycles, came: NDArray[np.float64], levels: NDArray[np.float64]) -> Iterator[Bounds]:
    """Quantiles of the last cycles' readings, whatever the hour."""
    origins, ahead = came.shape[1:]
    origin, step = sampled(origins, ahead)
    for span in _SPANS:
        if past.shape.count >= span + origins:
            there = _last(past.values, origins, span, levels)
            loss = pinball(picked(came, origin, step), np.take(there, origin, axis=1), levels, say(origins)[origin])
            yield Bounds(there[:, -1:], loss)


def _last(values: NDArray[np.float64], origins: int, span: int, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of the ``span`` cycles before each of the last origins and the end, (series, origins + 1, levels)."""
    at = np.arange(values.shape[1] - origins, values.shape[1] + 1)
    rows = values[:, at[:, None] + np.arange(-span, 0)].reshape(len(values) * len(at), -1)
    return empirical(rows, np.ones(rows.shape[1]), levels).reshape(len(values), len(at), -1)
