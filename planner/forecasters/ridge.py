"""Ridge regressions for all origins at once: sums of products are kept by origin, so a past fit costs one solve.

A row is one step of one cycle ahead of one origin. Fitted for the forecast from origin ``o`` are the rows whose step
had come by ``o``; their sums are those of the origin before (faded, where rows are to fade) and of the rows that came
since. So each origin has its own honest fit, and a back-test over weeks costs little more than the forecast itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Block", "solved"]

_TINY = 1e-9
_COARSE = 4096.0
"""Added and taken off again it leaves multiples of 1e-12: differences of logarithms smaller than that are rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The regression of one cycle ahead (the first, the second, ...), for every origin that has features."""

    centre: NDArray[np.float64]
    """(series, origins, steps): the forecast where every coefficient is 0."""
    features: Sequence[NDArray[np.float64]]
    """Each (series, origins, steps), or of a shape that broadcasts to it."""
    target: NDArray[np.float64]
    """(series, rows, steps): what came for the first ``rows`` origins, less the centre."""
    known: NDArray[np.bool_]
    """Of the target: what was filled teaches nothing."""
    weight: NDArray[np.float64] | None = None
    """Of the target: how much it counts; all alike where None."""


def solved(block: Block, ahead: int, origins: int, penalty: float, half_life: float | None) -> NDArray[np.float64]:
    """Paths of the last ``origins + 1`` origins for the cycle ``ahead`` (1 is the next), (series, origins + 1, steps).

    ``penalty`` is a share of the mean power of the features; ``half_life`` in cycles, None: all rows count alike.
    An origin with fewer than two rows before it forecasts its centre.
    """
    series, count, steps = block.centre.shape
    rows, features = block.target.shape[1], len(block.features)
    # One feature after the other, the target last: then a row's sums, and those of many rows, are each one product.
    columns = np.empty((series, features + 1, count, steps))
    for k, feature in enumerate(block.features):
        columns[:, k] = feature
    columns[:, features, :rows] = block.target
    columns[:, features, rows:] = 0.0
    # Where history repeats itself a difference is nothing but rounding, which no coefficient must go by.
    columns += _COARSE
    columns -= _COARSE
    told = columns[:, :, :rows]
    if not block.known.all():
        told = np.where(block.known[:, None], told, 0.0)
    if block.weight is not None:
        told = told * np.sqrt(block.weight)[:, None]
    # Origin i of the features is fitted on the rows of origins up to i - ahead: their step has come by then.
    at = np.arange(count - origins - 1, count)
    last = np.clip(at - ahead, 0, rows - 1)
    sums = _sums(told, int(last[0]), half_life)[:, last - last[0]]
    gram, moments = sums[:, :, :features, :features], sums[:, :, :features, features]
    # Each origin scales the features by what it has seen of them, so that none of them sees what comes later.
    power = np.sqrt(np.einsum("soff->sof", gram))
    scale = power + _TINY * np.maximum(power.max(axis=2, keepdims=True), 1.0)
    gram = gram / (scale[..., None] * scale[..., None, :]) + penalty * np.eye(features)
    weights = np.linalg.solve(gram, (moments / scale)[..., None])[..., 0] / scale
    weights[:, at - ahead < 1] = 0.0
    by_origin = columns[:, :features, at[0] :].transpose(0, 2, 1, 3)
    return np.asarray(block.centre[:, at[0] :] + np.matmul(weights[:, :, None], by_origin)[:, :, 0])


def _sums(told: NDArray[np.float64], first: int, half_life: float | None) -> NDArray[np.float64]:
    """Sums of products over the rows up to ``first``, then up to each later row, (series, 1 + later, columns, columns).

    ``told`` is (series, columns, rows, steps).
    """
    series, columns, _, steps = told.shape
    fade = 1.0 if half_life is None else 0.5 ** (1 / half_life)
    early = told[:, :, : first + 1].reshape(series, columns, -1)
    faded = early if half_life is None else early * np.repeat(fade ** np.arange(first, -1, -1.0), steps)
    late = told[:, :, first + 1 :].transpose(0, 2, 1, 3)
    sums = np.concatenate(
        [np.matmul(faded, early.transpose(0, 2, 1))[:, None], np.matmul(late, late.transpose(0, 1, 3, 2))], axis=1
    )
    for i in range(1, sums.shape[1]):
        sums[:, i] += fade * sums[:, i - 1]
    return sums
