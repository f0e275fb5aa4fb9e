"""Medians of rows with holes, and of a few arrays: the library warns of empty rows and takes many times as long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["middle", "nanmedian"]


def nanmedian(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of what is finite in each row; NaN for a row without any."""
    count = np.isfinite(rows).sum(axis=1)
    size = rows.shape[1]
    if size and (count == size).all():
        middle = np.partition(rows, ((size - 1) // 2, size // 2), axis=1)
        return np.asarray(middle[:, (size - 1) // 2] / 2 + middle[:, size // 2] / 2)
    ordered = np.sort(np.where(np.isfinite(rows), rows, np.nan), axis=1)
    row = np.arange(len(rows))
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, size - 1)
    return np.asarray(ordered[row, low] / 2 + ordered[row, high] / 2)


def middle(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The median of a few arrays of one shape, complete, at each place.

    By exchanges of whole arrays: each pass brings the largest that is left to its end, until the middle is reached.
    """
    ordered = list(arrays)
    for end in range(len(ordered) - 1, len(ordered) // 2 - 1, -1):
        for i in range(end):
            low, high = ordered[i], ordered[i + 1]
            ordered[i], ordered[i + 1] = np.minimum(low, high), np.maximum(low, high)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return np.asarray((np.maximum.reduce(ordered[:half]) + ordered[half]) / 2)
