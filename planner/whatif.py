"""What if: the plan beside itself under other assumptions, each a column with its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.prices import load_prices
from quartermaster.planner.calendar import Calendar, Occasion
from quartermaster.planner.capacity import requirement
from quartermaster.planner.plan import ClusterPlan, provided_for
from quartermaster.planner.prices import monthly
from quartermaster.planner.runway import Runway, runways
from quartermaster.planner.schedule import floors
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.sizing import scaled_unit
from quartermaster.planner.within_hour import by_hour

__all__ = ["Column", "Scenario", "compare", "together"]

_SINGLE = ("zones", "lost_zones", "instance", "quantile", "utilisation")
"""Assumptions that exclude others of their kind."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Other assumptions; what is None stays as planned."""

    name: str
    growth: float = 1.0
    """Factor on all demand."""
    launches: tuple[tuple[date | timedelta, float], ...] = ()
    """Factors on the demand from a day on, or from so long after the plan's first day on."""
    zones: int | None = None
    lost_zones: int | None = None
    instance: str | None = None
    quantile: float | None = None
    utilisation: float | None = None
    """Target utilisation of a usual hour."""


@dataclass(frozen=True, slots=True)
class Column:
    """One scenario, worked out."""

    scenario: str
    instance: str
    zones: int
    lost_zones: int
    quantile: float
    target_utilisation: float
    peak_demand: float
    """Highest demand provided for."""
    instances_least: int
    instances_most: int
    over_max: int
    """Hours that need more than size.max."""
    floors: int
    cost_per_month: float | None
    cost_delta: float | None
    """Against the plan as it stands."""
    currency: str
    runways: tuple[Runway, ...]
    """To every limit, ``size.max`` first."""
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__slots__ if name not in ("runways", "notes")},
            "runway": self.runways[0].to_json(),
            "runways": [r.to_json() for r in self.runways],
            "notes": list(self.notes),
        }


def together(scenarios: Sequence[Scenario]) -> Scenario:
    """All of them at once; of what only one can say, the last."""
    out = replace(scenarios[0], name="all together")
    for other in scenarios[1:]:
        said = {name: value for name in _SINGLE if (value := getattr(other, name)) is not None}
        out = replace(out, growth=out.growth * other.growth, launches=(*out.launches, *other.launches), **said)
    return out


def compare(
    plan: ClusterPlan, scenarios: Sequence[Scenario], by_name: Mapping[str, Series] | None = None
) -> tuple[Column, ...]:
    """The plan as it stands, then a column for each scenario. Pure; the plan must hold the quantiles asked for."""
    base = _column(plan, Scenario("as planned"), None, by_name or {})
    return (base, *(_column(plan, s, base, by_name or {}) for s in scenarios))


def _column(plan: ClusterPlan, s: Scenario, base: Column | None, by_name: Mapping[str, Series]) -> Column:
    own, notes = plan.settings, []
    start = plan.requirement[0].at.astimezone(own.zone).date()
    launches = [(start + at if isinstance(at, timedelta) else at, factor) for at, factor in s.launches]
    prices = load_prices()
    instance = s.instance or own.instance
    unit = scaled_unit(prices, plan.unit.value, own.instance, instance)
    if unit is None:
        there = ", ".join(sorted(prices.instance_types())[:8])
        raise InputError(f"the price table knows no {instance}", remedy=f"for example {there}")
    if instance != own.instance:
        notes.append(f"a vCPU of {instance} is taken to carry what one of {own.instance} does")
        if prices.shape(instance).architecture != prices.shape(own.instance).architecture:  # type: ignore[union-attr]
            notes.append(f"{instance} needs the software built for {prices.shape(instance).architecture}")  # type: ignore[union-attr]
    changed = replace(
        own,
        instance=instance,
        zones=s.zones or own.zones,
        lost_zones=own.lost_zones if s.lost_zones is None else s.lost_zones,
        quantile=s.quantile or own.quantile,
        target_utilisation=s.utilisation or own.target_utilisation,
        calendar=_with_launches(own.calendar, launches, start),
    )
    # What an instance carries at its target grows with the target, as utilisation does with demand.
    rules = changed.rules(unit * changed.target_utilisation / own.target_utilisation)
    demand = provided_for(plan.forecast, changed)[: len(plan.requirement)] * s.growth
    demand = demand * _launched(plan, launches, notes)
    needed = requirement(demand, rules)
    clipped = np.clip(needed, max(rules.smallest, 1), rules.largest)
    hours = plan.forecast
    schedule, lowered = floors(
        hours.times, clipped.tolist(), own.changes_per_day, own.zone, hours.early(own.lead_minutes)
    )
    cost = monthly(schedule, hours.times, hours.interval_minutes, clipped, instance, own.region)
    limits = runways(_by_the_hour(plan), rules, changed, cost.mean_instances, by_name, plan.peak_factor * s.growth)
    before = base.cost_per_month if base is not None else cost.per_month
    return Column(
        scenario=s.name,
        instance=instance,
        zones=rules.zones,
        lost_zones=rules.lost,
        quantile=changed.quantile,
        target_utilisation=changed.target_utilisation,
        peak_demand=float(demand.max()),
        instances_least=int(clipped.min()),
        instances_most=int(clipped.max()),
        over_max=int((needed > clipped).sum()),
        floors=len(schedule),
        cost_per_month=cost.per_month,
        cost_delta=None if cost.per_month is None or before is None else round(cost.per_month - before, 2),
        currency=cost.currency,
        runways=limits,
        notes=(*notes, lowered) if lowered else tuple(notes),
    )


def _with_launches(calendar: Calendar, launches: Sequence[tuple[date, float]], start: date) -> Calendar:
    """The calendar with each launch as an event that does not end; none is before the plan starts."""
    more = tuple(Occasion("launch", max(day, start), date.max, factor=factor) for day, factor in launches)
    return replace(calendar, events=(*calendar.events, *more))


def _by_the_hour(plan: ClusterPlan) -> Series:
    """What the plan was made of: hours, where finer readings taught it what lies within them."""
    fine = plan.within_hour is not None and plan.series.interval_us < HOUR_US
    return by_hour(plan.series, plan.series.id)[0] if fine else plan.series


def _launched(
    plan: ClusterPlan, launches: Sequence[tuple[date, float]], notes: list[str]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Factor of each hour by what has been launched by then."""
    out = np.ones(len(plan.requirement))
    times = plan.forecast.times[: len(out)]
    for day, factor in launches:
        start = datetime.combine(day, time(), plan.settings.zone)
        if start > times[-1] + timedelta(minutes=plan.forecast.interval_minutes):
            raise InputError(
                f"the launch on {day} lies after the plan, which ends on {times[-1]:%Y-%m-%d}",
                remedy=f"look further ahead: --days {(start - times[0]).days + 7}",
            )
        if start <= times[0]:
            notes.append(f"{day} is before the plan starts: all of it has the launch")
        out[[t >= start for t in times]] *= factor
    return out
