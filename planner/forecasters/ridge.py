"""Ridge regressions for all origins at once: sums of products are kept by origin, so a past fit costs one solve.

A row is one step of one cycle ahead of one origin. Fitted for the forecast from origin ``o`` are the rows whose step
had come by ``o``; their sums are a prefix (or a fading prefix) of all rows' sums. So each origin has its own honest
fit, and a back-test over weeks costs little more than the forecast itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Block", "solved"]

_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The regression of one cycle ahead (the first, the second, ...), for every origin that has features."""

    centre: NDArray[np.float64]
    """(series, origins, steps): the forecast where every coefficient is 0."""
    features: NDArray[np.float64]
    """(series, origins, steps, features)."""
    target: NDArray[np.float64]
    """(series, rows, steps): what came for the first ``rows`` origins, less the centre."""
    known: NDArray[np.bool_]
    """Of the target: what was filled teaches nothing."""


def solved(block: Block, ahead: int, origins: int, penalty: float, half_life: float | None) -> NDArray[np.float64]:
    """Paths of the last ``origins + 1`` origins for the cycle ``ahead`` (1 is the next), (series, origins + 1, steps).

    ``penalty`` is a share of the mean power of the features; ``half_life`` in cycles, None: all rows count alike.
    An origin with fewer than two rows before it forecasts its centre.
    """
    rows, features = block.target.shape[1], block.features.shape[3]
    told = np.where(block.known[..., None], block.features[:, :rows], 0.0)
    across = told.transpose(0, 1, 3, 2)
    products = _summed(np.matmul(across, told), half_life)
    moments = _summed(np.matmul(across, block.target[..., None])[..., 0], half_life)
    # Origin i of the features is fitted on the rows of origins up to i - ahead: their step has come by then.
    at = np.arange(block.features.shape[1] - origins - 1, block.features.shape[1])
    last = np.clip(at - ahead, 0, rows - 1)
    gram = products[:, last]
    # Each origin scales the features by what it has seen of them, so that none of them sees what comes later.
    power = np.sqrt(np.einsum("soff->sof", gram))
    scale = power + _TINY * (1 + power.max(axis=2, keepdims=True))
    gram = gram / (scale[..., None] * scale[..., None, :]) + penalty * np.eye(features)
    weights = np.linalg.solve(gram, (moments[:, last] / scale)[..., None]) / scale[..., None]
    weights[:, at - ahead < 1] = 0.0
    return np.asarray(block.centre[:, at] + np.matmul(block.features[:, at], weights)[..., 0])


def _summed(by_row: NDArray[np.float64], half_life: float | None) -> NDArray[np.float64]:
    if half_life is None:
        return np.cumsum(by_row, axis=1)
    fade = 0.5 ** (1 / half_life)
    for i in range(1, by_row.shape[1]):
        by_row[:, i] += fade * by_row[:, i - 1]
    return by_row
