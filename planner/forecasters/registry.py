"""The forecasters a forecast is mixed from."""

from __future__ import annotations

from collections.abc import Sequence

from quartermaster.fleet.errors import InputError
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.fitted import ETS, MSTL, SARIMAX
from quartermaster.planner.forecasters.phase_median import LevelMedian, PhaseMedian
from quartermaster.planner.forecasters.regression import Regression
from quartermaster.planner.forecasters.seasonal_naive import SeasonalNaive

__all__ = ["NAIVE", "PLAIN", "SEASONLESS", "candidates"]

_NAIVE: tuple[Forecaster, ...] = (SeasonalNaive("none"), SeasonalNaive("cycle"), SeasonalNaive("week"))
_PLAIN: tuple[Forecaster, ...] = (*_NAIVE, LevelMedian(), PhaseMedian("day", 7), PhaseMedian("week", 6))
NAIVE = frozenset(f.name for f in _NAIVE)
"""Seasonal naive in its seasons: what every other forecaster has to beat."""
PLAIN = frozenset(f.name for f in _PLAIN)
"""Rules that learn nothing from the series but its last values, nor how far a level carries on."""
SEASONLESS = LevelMedian().name
"""With it goes what the last days held as bounds (planner/bounds.py)."""

_DEFAULT: tuple[Forecaster, ...] = (
    *_PLAIN,
    PhaseMedian("day", 7, share=0.5),
    PhaseMedian("week", 6, cycles=3, share=0.5),
    Regression("regression_weekday", days=(7, 14), weeks=(1, 2), penalty=0.3, levels=False),
    Regression("regression_near", days=(3, 14), weeks=(1, 2, 4), penalty=0.1),
    Regression("regression_robust", days=(7,), weeks=(1,), penalty=0.3, levels=False, centre="week_median", bound=1.5),
)
_ON_REQUEST: tuple[Forecaster, ...] = (ETS(), MSTL(), SARIMAX())
"""Models of statsmodels: seconds a series, and on real series seldom better (bench/planner.py)."""


def candidates(only: Sequence[str] = ()) -> tuple[Forecaster, ...]:
    """The default forecasters, or those named. Raises InputError for an unknown name."""
    known = {f.name: f for f in (*_DEFAULT, *_ON_REQUEST)}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise InputError(
            f"no forecaster is called {', '.join(map(repr, unknown))}", remedy=f"known: {', '.join(known)}"
        )
    return tuple(f for f in known.values() if f.name in only) if only else _DEFAULT
