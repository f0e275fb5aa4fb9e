"""What a forecaster is: histories cut into cycles in, one path from each origin out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from quartermaster.planner.cycles import Cycles, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Forecaster", "from_each"]


class Forecaster(Protocol):
    """One way to forecast a batch of histories from their last origins and from their end.

    A path from an origin depends on nothing after it, and a series on no other of its batch.
    """

    @property
    def name(self) -> str:
        """How plans and reports call it."""
        ...

    def refuses(self, shape: Shape, origins: int) -> str:
        """Why it cannot run; empty where it can."""
        ...

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        """(series, origins + 1, blocks * steps): from each of the last ``origins`` origins, then from the end.

        Finite, but NaN all along for an origin that it passes over or a series on which it diverges.
        """
        ...


def from_each(
    past: Cycles, origins: int, path: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The paths of a rule that takes the cycles before one origin, (series, cycles, steps), to (series, ahead)."""
    count = past.shape.count
    return np.stack([path(past.values[:, :origin]) for origin in range(count - origins, count + 1)], axis=1)
