"""The forecasters a forecast chooses from."""

from __future__ import annotations

from collections.abc import Sequence

from quartermaster.fleet.errors import InputError
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.ets import ETS
from quartermaster.planner.forecasters.mstl import MSTL
from quartermaster.planner.forecasters.phase_median import LevelMedian, PhaseMedian
from quartermaster.planner.forecasters.seasonal_naive import SeasonalNaive

__all__ = ["REFERENCES", "candidates"]

REFERENCES: tuple[Forecaster, ...] = (SeasonalNaive("none"), SeasonalNaive("day"), SeasonalNaive("week"))
"""Seasonal naive in its seasons: what every other forecaster has to beat."""

_OTHERS: tuple[Forecaster, ...] = (LevelMedian(), PhaseMedian("day", 7), PhaseMedian("week", 6), ETS(), MSTL())


def candidates(only: Sequence[str] = ()) -> tuple[Forecaster, ...]:
    """All forecasters, references first, or those named. Raises InputError for an unknown name."""
    known = {f.name: f for f in (*REFERENCES, *_OTHERS)}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise InputError(
            f"no forecaster is called {', '.join(map(repr, unknown))}", remedy=f"known: {', '.join(known)}"
        )
    return tuple(f for name, f in known.items() if not only or name in only)
