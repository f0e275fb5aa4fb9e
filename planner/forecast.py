"""Forecasting a frame: exactly ``horizon`` rows for every series, quantiles that never cross, choices explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clean import clean
from quartermaster.planner.findings import Finding, Refusal
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.months import instants
from quartermaster.planner.one import Choice, SeriesForecast
from quartermaster.planner.prepared import forecast_prepared

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT_LEVELS", "Forecast", "check_request", "forecast", "level_column"]

DEFAULT_LEVELS = (0.5, 0.9, 0.95, 0.99)
_LONGEST_HORIZON = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What ``ops forecast run`` writes and says."""

    frame: pd.DataFrame
    """``series_id``, ``timestamp``, ``mean``, then ``q0.5``...: ``horizon`` rows for every series, sorted."""
    series: tuple[SeriesForecast, ...]
    choices: tuple[Choice, ...]
    refused: tuple[Refusal, ...]
    """Series without a single usable reading; their rows are null."""
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Choices, refusals and findings; the numbers are in the file."""
        return {
            "series": len(self.series),
            "rows": len(self.frame),
            "choices": [c.to_json() for c in self.choices],
            "refused": [r.to_json() for r in self.refused],
            "findings": [f.to_json() for f in self.findings],
        }


def level_column(level: float) -> str:
    """The column of a level: ``q0.5``, ``q0.95``."""
    return f"q{level:g}"


def check_request(horizon: int, levels: Sequence[float]) -> tuple[float, ...]:
    """The levels, sorted and distinct. Raises InputError with every fault of horizon and levels."""
    faults = []
    if not 1 <= horizon <= _LONGEST_HORIZON:
        faults.append(Fault("horizon", f"{horizon} steps", f"ask for 1 to {_LONGEST_HORIZON} steps"))
    if not levels:
        faults.append(Fault("levels", "no level is asked for", "for example 0.5,0.9,0.95,0.99"))
    bad = [level for level in levels if not 0 < level < 1]
    if bad:
        shown = ", ".join(f"{b:g}" for b in bad)
        faults.append(Fault("levels", f"{shown} is no probability between 0 and 1", "for example 0.5,0.9,0.95,0.99"))
    distinct = tuple(sorted(set(levels)))
    if len({level_column(level) for level in distinct}) < len(distinct):
        faults.append(Fault("levels", "two levels share a column name at six digits", "round the levels"))
    if faults:
        raise InputError("; ".join(f"{f.where}: {f.problem}" for f in faults), faults, remedy=faults[0].remedy)
    return distinct


def forecast(
    frame: pd.DataFrame,
    horizon: int,
    levels: Sequence[float] = DEFAULT_LEVELS,
    *,
    models: Sequence[str] = (),
    calendar: Calendar | None = None,
) -> Forecast:
    """Forecast every series of a valid long frame, ``horizon`` steps in each one's own interval from its last row on.

    ``models`` limits the forecasters to those named, ``calendar`` is what is known of the days. Raises InputError for a
    bad request; never for a series: too short or constant ones get a fallback that their choice states, empty ones get
    nulls and are named under ``refused``.
    """
    asked = check_request(horizon, levels)
    forecasters = candidates(models)
    cleaned = clean(frame)
    results = tuple(forecast_prepared(cleaned.series, horizon, asked, forecasters, calendar))
    return Forecast(
        frame=_rows(results, horizon, asked),
        series=results,
        choices=tuple(r.choice for r in results if r.choice is not None),
        refused=tuple(
            Refusal(r.series.id, f"none of its {len(r.series.values)} intervals has a usable reading")
            for r in results
            if r.choice is None
        ),
        findings=cleaned.findings,
    )


def _rows(results: Sequence[SeriesForecast], horizon: int, levels: Sequence[float]) -> pd.DataFrame:
    import pandas as pd

    step = np.arange(1, horizon + 1)
    stamps = np.concatenate([instants(r.series.last_us, r.series.interval_us, step) for r in results])
    columns: dict[str, Any] = {
        "series_id": pd.Series(np.repeat([r.series.id for r in results], horizon), dtype="str"),
        "timestamp": pd.DatetimeIndex(stamps.astype("datetime64[us]")).tz_localize("UTC"),
        "mean": np.concatenate([r.mean for r in results]),
    }
    for i, level in enumerate(levels):
        columns[level_column(level)] = np.concatenate([r.quantiles[:, i] for r in results])
    return pd.DataFrame(columns)
