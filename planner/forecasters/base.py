"""What a forecaster is: many pasts of one length in, one path each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Diverged", "Forecaster"]


class Diverged(ArithmeticError):
    """A fitted model left every bound: it is refused by name, another one is used."""


class Forecaster(Protocol):
    """One way to forecast.

    A batch holds pasts of one length: the rolling origins of one series, or many series. Rows do not see each other.
    """

    @property
    def name(self) -> str:
        """How plans and reports call it."""
        ...

    @property
    def costly(self) -> bool:
        """Whether a run takes milliseconds a row: then it must show its worth on a few origins first."""
        ...

    def refuses(self, length: int, seasons: Seasons) -> str:
        """Why it cannot run on a past of that length; empty where it can."""
        ...

    def predict(self, pasts: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        """Paths, shape (rows, steps), for pasts of shape (rows, length) without NaN. May raise Diverged."""
        ...
