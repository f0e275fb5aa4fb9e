"""The planner on the last weeks of history, day by day as it would have run, beside what else could have been done.

Each day is planned from a forecast of nothing but what lies before it: the one that a plan made then would have had.
Demand is followed in steps of five minutes (constant within an hour where nothing finer is known), and what is ordered
serves a lead time later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.capacity import Rules, requirement
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.scalers import STEP_MINUTES
from quartermaster.planner.schedule import cheapest_days
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.together import lead_of, over_lead
from quartermaster.planner.tracking import above_floors
from quartermaster.planner.trial import Outcome, Trial
from quartermaster.planner.within_hour import learn

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FACTORS", "Mix", "Outcome", "Point", "Replay", "replay"]

_DAYS = 28
_FEWEST_DAYS = 3
_BEFORE = 21
"""Days that a replayed day has before it; of a shorter history two thirds."""
FACTORS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
"""On the demand provisioned for: the trade-off curves."""
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
_HEADROOM = (0.0, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 1.0, 1.05, 1.1)
"""Of tracking over what keeps the group through a loss of zones at every size, which most sizes exceed; 0: floors
alone."""
_MOST_UNDER = 0.01


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a trade-off curve."""

    factor: float
    """On the demand provisioned for."""
    under_share: float
    under_time: float
    over_provisioning: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Floors at one quantile, and target tracking above them with some headroom."""

    quantile: float
    factor: float
    """On that quantile, for the floors."""
    changes_per_day: int
    """As often as the floors may change."""
    headroom: float
    """Factor by which tracking provisions above what the rules tell it; 0: nothing tracks."""
    target_utilisation: float | None
    """What tracking then holds; None: nothing tracks."""
    outcome: Outcome

    @property
    def told(self) -> str:
        """For people."""
        above = "no tracking" if self.target_utilisation is None else f"tracking at {self.target_utilisation:.0%} busy"
        return f"floors at q{self.quantile:g}, {above}"


@dataclass(frozen=True, slots=True)
class Replay:
    """The plan against the past."""

    days: int
    hours: int
    model: str
    """The forecaster that led on most days."""
    planner: Outcome
    """The planned floors, with target tracking above them for what was not planned."""
    floors_only: Outcome
    """The planned floors, and nothing that reacts."""
    static_peak: Outcome
    """A fixed number of instances: what the highest hour of the four weeks before needed."""
    target_tracking: Outcome
    """AWS's target tracking alone, with its metric and start-up delays."""
    predictive_scaling: Outcome
    """A stand-in for AWS's predictive scaling as documented, with target tracking beside it."""
    curve: dict[str, tuple[Point, ...]]
    """By way: what becomes of it when it provisions for more or for less."""
    frontier: tuple[Mix, ...]
    """Floors at other quantiles with other headroom of tracking, less the worse ones; most over-provisioning first."""
    thrifty: Mix | None
    """The one with least over-provisioning that was short in at most 1 % of the hours."""
    at_one_percent: dict[str, float | None]
    """Over-provisioning of each way where it provisions just enough to be short in at most 1 % of the hours; None where
    nothing on its curve is."""
    better: dict[str, Mix | None]
    """For each other way, a mix that was better in every direction; None where there is none."""
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
    fine: Series | None = None,
    price: float | None = None,
    *,
    tracking: float | None = None,
    calendar: Calendar | None = None,
) -> Replay | str:
    """Replay up to four weeks, or say why there is no replay.

    ``series`` is by the hour or coarser; ``fine`` the same demand in finer steps, by which it is then judged;
    ``price`` is that of an instance and hour; ``tracking`` the utilisation that target
    tracking above the plan's floors is told to hold (0: there is none); None: as the first day's plan would tell it.
    """
    day = series.seasons.day
    if day <= 1 or DAY_US % series.interval_us:
        return "the interval does not divide a day"
    if series.interval_us < STEP_MINUTES * 60_000_000:
        return "too few of its minutes have readings to go by the hour"
    known = np.flatnonzero(np.isfinite(series.values))
    series = series.before(len(series.values) - 1 - int(known[-1]))
    total = (len(series.values) - int(known[0])) // day
    days = min(_DAYS, max(total - _BEFORE, total // 3))
    if days < _FEWEST_DAYS:
        return f"needs {3 * _FEWEST_DAYS} days of history, has {total}"
    reach = 1 + lead_of(lead_minutes, series.interval_us / 60e6)[0]
    mornings = [series.before(k * day) for k in range(days, 0, -1)]
    made = list(forecast_prepared(mornings, day + reach, sorted({*_LEVELS, quantile}), forecasters, calendar))
    if any(m.choice is None for m in made):
        return "a day of it has nothing before it"
    hours = series.last_us - series.interval_us * np.arange(days * day - 1, -1, -1)
    within = _within(fine, int(hours[0]))
    steps = _steps(series, fine, days * day)
    trial = Trial(rules, lead_minutes, series.values, days * day, series.interval_us / 60e6, steps, price)
    return _judged(series, made, trial, quantile, changes_per_day, within, tracking)


def _judged(
    series: Series,
    made: Sequence[SeriesForecast],
    trial: Trial,
    quantile: float,
    changes_per_day: int,
    within: NDArray[np.float64],
    tracking: float | None,
) -> Replay:
    day, minutes, count = series.seasons.day, trial.minutes, trial.count

    provided = np.concatenate([_provided(m, within, day, minutes, trial.lead_minutes) for m in made])

    def planned(level: float) -> NDArray[np.float64]:
        return provided[:, made[0].levels.index(level)]

    def floors(demand: NDArray[np.float64], changes: int = changes_per_day, least: int = 0) -> NDArray[np.int64]:
        wanted = np.maximum(trial.clip(requirement(demand, trial.rules)), least)
        return cheapest_days(wanted.reshape(-1, day), changes).ravel()

    own = planned(quantile)
    holds = trial.rules.tracking_utilisation
    if tracking is None:
        tracking = above_floors(own[:day], planned(0.5)[:day], trial.rules)
    scaled = np.stack([floors(own * f) for f in FACTORS], axis=1)
    standing = series.last_us - series.interval_us * np.arange(count - 1, -1, -1)
    at = FACTORS.index(1.0)
    ways = {
        "planner": trial.floors(scaled, [holds / tracking if tracking else 0.0] * len(FACTORS)),
        "floors_only": trial.floors(scaled, [0.0] * len(FACTORS)),
        "static_peak": trial.static_peak(FACTORS, float(within.max())),
        "target_tracking": trial.target_tracking(FACTORS),
        "predictive_scaling": trial.predictive_scaling(FACTORS, within[standing // HOUR_US % 24]),
    }
    levels = sorted({*_LEVELS, quantile})
    # Floors that change less often are held around steep flanks: another way to have some in hand.
    often = sorted({max(1, changes_per_day // 2), changes_per_day, day})
    kinds = [(level, 1.0, changes) for changes in often for level in levels]
    kinds += [(quantile, f, changes) for changes in often for f in FACTORS if f != 1 and f <= 1.5]
    kinds += [(0.5, f, day) for f in FACTORS if 1 < f <= 1.5]
    # Who may choose the floors sets the group's min with them: to what survives, as under the scalers alone.
    each = np.stack([floors(planned(level) * f, changes, trial.least) for level, f, changes in kinds], axis=1)
    grid = [(*kind, headroom) for kind in kinds for headroom in _HEADROOM]
    outcomes = trial.floors(np.repeat(each, len(_HEADROOM), axis=1), [headroom for *_, headroom in grid])
    mixes = [Mix(*kind, holds / kind[-1] if kind[-1] else None, o) for kind, o in zip(grid, outcomes, strict=True)]
    enough = [m for m in mixes if m.outcome.under_share <= _MOST_UNDER]
    came = series.values[-count:]
    leading = [m.choice.model for m in made if m.choice is not None]
    return Replay(
        days=len(made),
        hours=int(np.isfinite(came).sum() * minutes / 60),
        model=max(sorted(set(leading)), key=leading.count),
        **{way: found[at] for way, found in ways.items()},
        curve={way: tuple(map(_point, FACTORS, found)) for way, found in ways.items()},
        frontier=_frontier(mixes),
        thrifty=min(enough, key=_over, default=None),
        at_one_percent={way: _cheapest(found) for way, found in {**ways, "planner": outcomes}.items()},
        better={
            way: min((m for m in mixes if m.outcome.better_than(ways[way][at])), key=_over, default=None)
            for way in ("static_peak", "target_tracking", "predictive_scaling")
        },
        recent_error=_recent_error(came, np.concatenate([m.at(0.5)[:day] for m in made]), 7 * day),
    )


def _provided(
    made: SeriesForecast, within: NDArray[np.float64], day: int, minutes: float, lead_minutes: float
) -> NDArray[np.float64]:
    """What a day's plan provides for: the quantiles over the lead time, at the peaks within the hours."""
    stamps = made.series.last_us + made.series.interval_us * np.arange(1, len(made.mean) + 1)
    factor = within[stamps // HOUR_US % 24]
    out = over_lead(made.quantiles * factor[:, None], made.levels, made.ranks, minutes, lead_minutes)
    if lead_of(lead_minutes, minutes)[1]:
        # Who is to serve at the next day's start is ordered by this day's plan.
        np.maximum(out[day - 1], out[day], out=out[day - 1])
    return out[:day]


def _point(factor: float, outcome: Outcome) -> Point:
    return Point(factor, outcome.under_share, outcome.under_time, outcome.over_provisioning)


def _over(mix: Mix) -> float:
    return mix.outcome.over_provisioning


def _cheapest(outcomes: Sequence[Outcome]) -> float | None:
    return min((o.over_provisioning for o in outcomes if o.under_share <= _MOST_UNDER), default=None)


def _frontier(mixes: Sequence[Mix]) -> tuple[Mix, ...]:
    """Those that no other is better than."""
    kept = [m for m in mixes if not any(other.outcome.better_than(m.outcome) for other in mixes)]
    return tuple(sorted(kept, key=_over, reverse=True))


def _recent_error(came: NDArray[np.float64], middle: NDArray[np.float64], recent: int) -> float:
    some = np.isfinite(came) & (np.arange(len(came)) >= len(came) - recent) & (middle > 0)
    return float(np.quantile(came[some] / middle[some] - 1, 0.95)) if some.any() else 0.0


def _within(fine: Series | None, start_us: int) -> NDArray[np.float64]:
    """Factor of each hour of the day, learned from what lies before the replay; 1 where nothing finer is known."""
    if fine is None:
        return np.ones(24)
    later = int((fine.last_us - start_us) // fine.interval_us) + 1
    learned = learn(fine.before(later)) if 0 < later < len(fine.values) else "nothing before it"
    return np.ones(24) if isinstance(learned, str) else learned.factor


def _steps(series: Series, fine: Series | None, count: int) -> NDArray[np.float64]:
    """Demand of the last ``count`` intervals in steps of ``STEP_MINUTES``: the highest reading within, where finer."""
    width = STEP_MINUTES * 60_000_000
    steps = np.repeat(series.values[-count:], series.interval_us // width)
    if fine is None or fine.interval_us > width:
        return steps
    start = series.last_us - (count - 1) * series.interval_us
    at = (fine.last_us - fine.interval_us * np.arange(len(fine.values) - 1, -1, -1) - start) // width
    inside = (at >= 0) & (at < len(steps)) & np.isfinite(fine.values)
    highest = np.full(len(steps), -np.inf)
    np.maximum.at(highest, at[inside], fine.values[inside])
    return np.where(np.isfinite(highest), highest, steps)
