"""Readings far from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ABSURD", "spikes"]

_SPIKE = 12.0
ABSURD = 1000.0
"""Robust deviations (median absolute deviation times 1.4826) beyond which a reading is told of, and is not used."""


def spikes(values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of absurd readings (against all of the series) and of isolated spikes (against their neighbours)."""
    none = np.zeros(len(values), dtype=bool)
    known = np.isfinite(values)
    if known.sum() < 12:
        return none, none
    usable = values[known]
    middle = float(np.median(usable))
    # The interquartile range backs up the median deviation, which is 0 where over half of the readings are equal.
    quarters = np.percentile(usable, [25, 75])
    spread = max(1.4826 * float(np.median(np.abs(usable - middle))), float(quarters[1] - quarters[0]))
    if spread <= 0:
        spread = abs(middle)
    absurd = known & (np.abs(values / 2 - middle / 2) > ABSURD / 2 * spread) if spread > 0 else none
    if absurd.sum() > 0.01 * known.sum():
        absurd = none
    padded = np.where(known & ~absurd, values, np.nan)
    before, after = np.roll(padded, 1), np.roll(padded, -1)
    before[0] = after[-1] = np.nan
    high = np.fmax(before, after)
    isolated = np.isfinite(high) & (padded - high > _SPIKE * spread) if spread > 0 else none
    return absurd, isolated
