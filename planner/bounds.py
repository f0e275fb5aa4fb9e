"""Bounds around paths, averaged with those read off the last days: for demand in spikes, or without a season.

Bounds around a path are those of a guess at when demand rises. Where nothing tells when, quantiles of what the last
days held serve better, and few days are enough for them. Each is worth what it was at past origins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.cycles import Cycles
from quartermaster.planner.quantiles import Bounds, empirical, pinball

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["averaged"]

_SPANS = (1, 3, 7)
"""Cycles whose readings are taken as one distribution, whatever their phase."""
_POWER = 6
_WORST = 1.3
"""As for paths (mixture.py): weights are inverse losses to this power, and none where a loss is that much larger."""
_OPTIMISM = 1.0
"""Bounds around paths are judged by the errors that they are made of: this over the origins is added to their loss."""


def averaged(
    around: Bounds, past: Cycles, came: NDArray[np.float64], levels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles (series, ahead, levels), those above the median averaged, and the share (series,) of the last days.

    ``came`` (series, origins, ahead) is what ``around`` was judged by. The median stays that of the paths.
    """
    upper = levels > 0.5
    origins = came.shape[1]
    made, losses = [], []
    for span in _SPANS:
        if upper.any() and past.shape.count >= span + origins:
            there = _last(past.values, origins, span, levels[upper])
            losses.append(pinball(came, there[:, :-1, None], levels[upper]).sum(axis=1))
            made.append(there[:, -1])
    if not made:
        return around.quantiles, np.zeros(len(past))
    losses.append(around.loss[:, upper].sum(axis=1) * (1 + _OPTIMISM / origins))
    loss = np.maximum(np.stack(losses), 1e-300)
    ratio = loss.min(axis=0) / loss
    weights = np.where(ratio * _WORST >= 1, ratio, 0.0) ** _POWER
    weights /= weights.sum(axis=0)
    flat = (weights[:-1, :, None] * np.stack(made)).sum(axis=0)
    out = around.quantiles.copy()
    out[:, :, upper] = weights[-1][:, None, None] * out[:, :, upper] + flat[:, None]
    return np.maximum.accumulate(out, axis=2), 1 - weights[-1]


def _last(values: NDArray[np.float64], origins: int, span: int, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of the ``span`` cycles before each of the last origins and the end, (series, origins + 1, levels)."""
    at = np.arange(values.shape[1] - origins, values.shape[1] + 1)
    rows = values[:, at[:, None] + np.arange(-span, 0)].reshape(len(values) * len(at), -1)
    return empirical(rows, np.ones(rows.shape[1]), levels).reshape(len(values), len(at), -1)
