"""How much of an effect counts: as far as it stands out from what days do anyway (after Breiman's garrote, 1995)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["garrote", "part_of_the_way"]

_FEW = 2.0
"""One day needs this much more proof again, two half of it: a storm makes a single day look like an effect."""
_SHAPE_PROOF = 2.0
"""Of how the effect goes over the day, which few days show well enough."""
_WAY = 5.0
"""Holidays on a usual weekday that say as much as is assumed of them all beforehand: no effect."""


def part_of_the_way(gaps: NDArray[np.float64], sizes: NDArray[np.float64], gap: NDArray[np.float64]) -> float:
    """The part of the way to the quietest weekday that holidays go, from 0 to 1; drawn to 0 where few were seen."""
    weight = float((gaps**2).sum() + _WAY * (gap.mean(axis=1) ** 2).mean())
    return float(np.clip((gaps * sizes).sum() / weight, 0.0, 1.0)) if weight > 0 else 0.0


def garrote(
    row: NDArray[np.float64], seen: int, proof: float, size_noise: float, shape_noise: float
) -> NDArray[np.float64]:
    """An effect by phase as far as it stands out; size and course over the day each for itself."""
    size = float(row.mean())
    shape = row - size
    strong = _kept(proof * (1 + _FEW / seen) * size_noise, seen * size**2)
    return strong * size + _kept(_SHAPE_PROOF * shape_noise, seen * float((shape**2).mean())) * shape


def _kept(noise: float, seen: float) -> float:
    return 1 - noise / seen if seen > noise else 0.0
