"""The planner on the last weeks of history, day by day as it would have run, beside a static peak.

The forecaster is chosen on what lies before the replay; each day's quantiles come from errors that were known that day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.backtest import roll
from quartermaster.planner.capacity import Rules, over_lead, requirement
from quartermaster.planner.cycles import shape_of
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.hourly import peaks
from quartermaster.planner.quantiles import around
from quartermaster.planner.schedule import cheapest
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Outcome", "Replay", "replay"]

_DAYS = 28
_FEWEST_DAYS = 7
_CALIBRATION = 21
"""Earlier daily origins whose errors make a day's quantiles."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one way to provision did over the replayed hours."""

    under_hours: int
    """Hours in which demand needed more instances, under the rules of the plan, than there were."""
    under_share: float
    over_provisioning: float
    """Mean of instances over instances needed, less one."""
    instance_hours: float


@dataclass(frozen=True, slots=True)
class Replay:
    """The plan against the past."""

    days: int
    hours: int
    model: str
    planner: Outcome
    static_peak: Outcome
    """A fixed number of instances: what the highest hour of the four weeks before needed."""
    recent_error: float
    """How far demand exceeded the median forecast in the worst twentieth of the last week's hours, as a share of it."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def replay(
    series: Series,
    rules: Rules,
    quantile: float,
    lead_minutes: float,
    changes_per_day: int,
    forecasters: Sequence[Forecaster],
) -> Replay | str:
    """Replay up to four weeks, or say why there is no replay."""
    day = series.seasons.day
    if day <= 1 or DAY_US % series.interval_us:
        return "the interval does not divide a day"
    known = np.flatnonzero(np.isfinite(series.values))
    values = series.values[known[0] : known[-1] + 1]
    days = min(_DAYS, len(values) // day - 2 * _CALIBRATION)
    if days < _FEWEST_DAYS:
        return f"needs {2 * _CALIBRATION + _FEWEST_DAYS} days of history, has {len(values) // day}"
    start = len(values) - days * day
    steps = day + int(np.ceil(lead_minutes * 60e6 / series.interval_us))
    shape = shape_of(len(values), series.seasons)
    if not shape.seasonal or shape.count < days + _CALIBRATION + 7:
        return "the interval leaves too few days of history"
    rolled = roll([values], shape, steps, forecasters, origins=days + _CALIBRATION + 1)
    if rolled is None:
        return "no forecaster can run that far back"
    # The last path is of the day to come, which nothing is known of.
    paths, actual = rolled.mixture.paths[0, :-1, :steps], rolled.came[0, :, :steps]
    model = rolled.mixture.names[int(rolled.mixture.weights[0].mean(axis=1).argmax())]
    if series.lower == 0:
        paths = np.maximum(paths, 0)
    demand, middle = _day_by_day(paths, actual, series, days, quantile, steps - day)
    return _judged(series, values, start, demand, middle, rules, changes_per_day, model, days)


def _day_by_day(
    paths: NDArray[np.float64], actual: NDArray[np.float64], series: Series, days: int, quantile: float, reach: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each replayed day planned for: the quantile over the lead time, and the median, in one row each."""
    day = series.seasons.day
    levels = np.array(sorted({0.5, quantile}))
    planned, middle = [], []
    blocks = -(-paths.shape[1] // day)
    wide = [(0, 0), (0, blocks * day - paths.shape[1])]
    known = np.pad(actual, wide, constant_values=np.nan)
    whole = np.pad(paths, wide, mode="edge")
    positive = np.array([series.lower == 0])
    for i in range(len(paths) - days, len(paths)):
        # An origin's errors are all known once its steps have passed: the lead time costs it one day or more.
        last = i - 1 - (reach - 1) // day if reach else i
        past = slice(max(0, i - _CALIBRATION - 1), last)
        own = np.concatenate([whole[past], whole[i : i + 1]])[None]
        quantiles = around(own, known[past][None], day, levels, relative=positive)[0, : paths.shape[1]]
        minutes = series.interval_us / 60e6
        planned.append(over_lead(quantiles[:, -1], minutes, reach * minutes)[:day])
        middle.append(quantiles[:day, 0])
    return np.concatenate(planned), np.concatenate(middle)


def _judged(
    series: Series,
    values: NDArray[np.float64],
    start: int,
    demand: NDArray[np.float64],
    middle: NDArray[np.float64],
    rules: Rules,
    changes_per_day: int,
    model: str,
    days: int,
) -> Replay:
    stamps = series.last_us - series.interval_us * np.arange(len(values) - start - 1, -1, -1)
    came = values[start:]
    known = np.isfinite(came)
    hours = stamps
    before = values[max(0, start - 28 * series.seasons.day) : start]
    recent = known & (np.arange(len(came)) >= len(came) - 7 * series.seasons.day) & (middle > 0)
    error = float(np.quantile(came[recent] / middle[recent] - 1, 0.95)) if recent.any() else 0.0
    if series.interval_us < HOUR_US:
        hours, demand = peaks(stamps, demand)
        _, came = peaks(stamps, came)
    wanted = np.clip(requirement(demand, rules), max(rules.smallest, 1), rules.largest)
    planned = np.array(cheapest([int(n) for n in wanted], [int(h // DAY_US) for h in hours], changes_per_day))
    peak = requirement([float(np.nanmax(before)) if np.isfinite(before).any() else 0.0], rules)
    static = np.full(len(planned), int(np.clip(peak[0], max(rules.smallest, 1), rules.largest)))
    told = np.isfinite(came)
    needed = np.maximum(requirement(came[told], rules), max(rules.smallest, 1))
    width = max(series.interval_us, HOUR_US) / HOUR_US
    return Replay(
        days,
        int(told.sum() * width),
        model,
        _outcome(planned[told], needed, width),
        _outcome(static[told], needed, width),
        error,
    )


def _outcome(provided: NDArray[np.int64], needed: NDArray[np.int64], width: float) -> Outcome:
    if not len(needed):
        return Outcome(0, 0.0, 0.0, 0.0)
    under = provided < needed
    return Outcome(
        int(under.sum() * width),
        float(under.mean()),
        float((provided / needed).mean() - 1),
        float(provided.sum() * width),
    )
