"""Rolling-origin back-test of many series at once: every forecaster from past origins, mixed by what it was worth.

An origin's forecast sees only readings before it. Series are taken in batches of one shape, and none sees another, so
the numbers are the same however they are split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape, cut
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.registry import NAIVE, PLAIN
from quartermaster.planner.mixture import Mixture, mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rolled", "origins_of", "roll"]

_MOST_ORIGINS = 56
_ENOUGH = 28
"""Cycles that stand before every origin, and no more than so many origins without them."""
_ABOVE, _BELOW = 2.0, 1.0
"""Ranges of its history that a path may leave it by: growth is real, an exploding logarithm is not."""


@dataclass(frozen=True, slots=True, eq=False)
class Rolled:
    """A batch forecast from past origins and from its end."""

    past: Cycles
    origins: int
    mixture: Mixture
    came: NDArray[np.float64]
    """(series, origins, ahead): NaN where nothing was read or it is still to come."""
    refused: tuple[tuple[str, str], ...]
    """Forecasters that did not run, with the reason."""

    def __len__(self) -> int:
        return len(self.past)


def origins_of(shape: Shape) -> int:
    """Origins that a history of that shape is judged at; 0 where it is too short.

    A third of its cycles, at least 3, or all before which four weeks stand.
    """
    if shape.count < 4:
        return 0
    return max(3, min(_ENOUGH, shape.count // 3), min(_MOST_ORIGINS, shape.count - _ENOUGH))


def roll(
    histories: Sequence[NDArray[np.float64]],
    shape: Shape,
    ahead: int,
    forecasters: Sequence[Forecaster],
    origins: int | None = None,
) -> Rolled | None:
    """Forecast histories of one shape (NaN = no reading) ``ahead`` steps, rounded up to whole cycles.

    None where no forecaster can run on that shape.
    """
    past = cut(histories, shape)
    count = origins_of(shape) if origins is None else origins
    blocks = -(-ahead // shape.steps)
    reasons = [(f.name, f.refuses(shape, count)) for f in forecasters]
    least, most = past.values.min(axis=(1, 2)), past.values.max(axis=(1, 2))
    low = np.where(least >= 0, 0.0, least - _BELOW * (most - least))[:, None, None]
    high = (most + _ABOVE * (most - least))[:, None, None]
    paths = {
        f.name: np.clip(f.paths(past, count, blocks), low, high)
        for f, (_, reason) in zip(forecasters, reasons, strict=True)
        if not reason
    }
    if not paths:
        return None
    came = past.came(count, blocks)
    mixture = mixed(paths, came, shape.steps, plain=PLAIN, naive=NAIVE)
    return Rolled(past, count, mixture, came, tuple((name, reason) for name, reason in reasons if reason))
