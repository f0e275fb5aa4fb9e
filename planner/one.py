"""The forecast of one series: scale, back-test, path, quantiles, and a stated fallback where there is too little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.backtest import Score, Trial, pasts, trial
from quartermaster.planner.forecasters.base import Diverged, Forecaster
from quartermaster.planner.intervals import spread_of
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Choice", "SeriesForecast", "forecast_series"]

_LONGEST_LEAD = 5_000
"""Trailing intervals without a reading that are forecast one by one; beyond, whole weeks of them are left out."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which forecaster a series got, and why."""

    series: str
    model: str
    reason: str
    runner_up: str
    fallback: bool
    """Whether there was too little history to judge, so that a plain rule stood in."""
    origins: int
    """Past origins it was judged at."""
    scores: tuple[Score, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesForecast:
    """Mean and quantiles for the steps after the last row."""

    series: Series
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    """Shape (horizon, levels), ascending along levels; NaN all over where the series has no reading."""
    levels: tuple[float, ...]
    choice: Choice | None
    """None where the series is refused."""
    trial: Trial | None
    """The back-test in units of the series, where there was one."""

    def at(self, level: float) -> NDArray[np.float64]:
        """The quantile of one of ``levels``."""
        return self.quantiles[:, self.levels.index(level)]


def forecast_series(
    series: Series, horizon: int, levels: Sequence[float], forecasters: Sequence[Forecaster]
) -> SeriesForecast:
    """Forecast ``horizon`` steps after the last row. Deterministic; depends on nothing but this series."""
    asked = tuple(sorted(set(levels)))
    known = np.flatnonzero(np.isfinite(series.values))
    if not len(known):
        empty = np.full((horizon, len(asked)), np.nan)
        return SeriesForecast(series, empty[:, 0].copy(), empty, asked, None, None)
    values = series.values[known[0] : known[-1] + 1]
    lead = len(series.values) - 1 - int(known[-1])
    if lead > _LONGEST_LEAD:
        lead = lead % max(series.seasons.week, 1)
    # A power of two, so that scaling loses no bit; models then never see extremes of the float range.
    largest = float(np.abs(values[np.isfinite(values)]).max())
    exponent = -int(np.frexp(largest)[1]) if largest > 0 else 0
    scaled = np.ldexp(values, exponent)
    grades = np.asarray(asked)
    result = _judged(scaled, series, horizon, lead, grades, forecasters)
    if result is None:
        result = _fallback(scaled, series, horizon, grades)
    mean, quantiles, choice, judged = result
    mean = _unscaled(np.maximum(mean, series.lower), -exponent)
    quantiles = _unscaled(np.maximum(quantiles, series.lower), -exponent)
    return SeriesForecast(series, mean, quantiles, asked, choice, _trial_unscaled(judged, -exponent))


_Result = tuple["NDArray[np.float64]", "NDArray[np.float64]", Choice, "Trial | None"]


def _judged(
    values: NDArray[np.float64],
    series: Series,
    horizon: int,
    lead: int,
    levels: NDArray[np.float64],
    forecasters: Sequence[Forecaster],
) -> _Result | None:
    """The forecast of what the back-test chose; None where there is too little history."""
    usable = values[np.isfinite(values)]
    if len(usable) < 12 or usable.min() == usable.max():
        return None
    seasons = series.seasons
    judged = trial(values, seasons, horizon + lead, forecasters)
    if judged is None:
        return None
    window = min(len(values), max(judged.origins.window, min(len(values), 8 * seasons.week)))
    past = pasts(values, seasons, (len(values),), window)
    diverged = []
    for i, forecaster in enumerate(judged.chosen):
        try:
            path = forecaster.predict(past, seasons, lead + horizon)[0]
        except Diverged as exc:
            diverged.append(f"{forecaster.name} on the full history: {exc}")
            continue
        spread = spread_of(judged.paths, judged.actual, seasons, series.lower, levels)
        quantiles = spread.around(path, levels)[lead:]
        score = next(s for s in judged.scores if s.model == forecaster.name)
        others = [f.name for f in judged.chosen[i + 1 : i + 2]]
        better = "" if score.relative_error is None else f", {score.relative_error:.2f} of the best seasonal naive's"
        reason = f"least error over {len(judged.origins.ends)} origins{better}" + "".join(f"; {d}" for d in diverged)
        choice = Choice(
            series.id,
            forecaster.name,
            reason,
            others[0] if others else "",
            False,
            len(judged.origins.ends),
            judged.scores,
        )
        return path[lead:], quantiles, choice, judged
    return None


def _fallback(values: NDArray[np.float64], series: Series, horizon: int, levels: NDArray[np.float64]) -> _Result:
    """A plain rule for a series that is constant or too short to judge anything on; always finite."""
    known = values[np.isfinite(values)]
    middle = float(np.median(known[-min(len(known), max(series.seasons.day, 3)) :]))
    if known.min() == known.max():
        seen = f"constant over {len(known)} readings" if len(known) > 1 else "a single reading"
        reason = f"{seen}: it goes on"
        rule, offsets = "constant", np.zeros(len(levels))
    else:
        seen = f"only {len(known)} readings over {len(values)} intervals"
        reason = f"{seen}: the median of the last, with the spread of all"
        rule = "level"
        # Beyond what was seen, on both sides, half the range again: few readings show no tail.
        reach = float(known.max() - known.min()) / 2
        grades = np.array([0.0, 0.05, 0.5, 0.95, 1.0])
        marks = np.array([known.min() - reach, known.min(), middle, known.max(), known.max() + reach])
        offsets = np.interp(levels, grades, marks) - middle
    choice = Choice(series.id, rule, reason, "", True, 0, ())
    path = np.full(horizon, middle)
    return path, path[:, None] + offsets[None, :], choice, None


def _unscaled(values: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    largest = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        return np.clip(np.ldexp(values, exponent), -largest, largest)


def _trial_unscaled(judged: Trial | None, exponent: int) -> Trial | None:
    if judged is None:
        return None
    return Trial(
        judged.chosen,
        judged.scores,
        judged.origins,
        _unscaled(judged.paths, exponent),
        _unscaled(judged.actual, exponent),
    )
