"""The capacity plan: forecast quantiles, instances an hour, the cheapest floors, price, runways, replay, advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.prices import load_prices
from quartermaster.planner import unit as unit_capacity
from quartermaster.planner.advice import Advice, advise
from quartermaster.planner.capacity import Rules, requirement
from quartermaster.planner.clean import clean
from quartermaster.planner.findings import Finding, Refusal
from quartermaster.planner.forecast import DEFAULT_LEVELS
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.hourly import Hourly, hourly
from quartermaster.planner.one import Choice
from quartermaster.planner.plannable import no_demand, stale_steps
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.prices import Cost, hour_price, monthly
from quartermaster.planner.replay import Replay, replay
from quartermaster.planner.runway import Runway, runways
from quartermaster.planner.schedule import Floor, floors
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings
from quartermaster.planner.statements import iso, over_budget, told
from quartermaster.planner.together import lead_of
from quartermaster.planner.tracking import Tracking, tracking_of
from quartermaster.planner.unit import UnitCapacity
from quartermaster.planner.within_hour import WithinHour, by_hour, finer_of, learn

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CapacityPlan", "ClusterPlan", "Requirement", "plan", "provided_for"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one hour needs."""

    at: datetime
    demand_q: float
    """The demand quantile over the lead time, in the unit of the series."""
    needed: int
    """Instances that carry it and survive the loss."""
    instances: int
    """The same within the group's min and max."""

    def to_json(self) -> dict[str, Any]:
        return {
            "timestamp": iso(self.at), "demand_q": self.demand_q, "instances": self.instances, "needed": self.needed,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ClusterPlan:
    """The plan of one cluster (or one demand series)."""

    name: str
    series: Series
    settings: Settings
    unit: UnitCapacity
    rules: Rules
    forecast: Hourly
    choice: Choice
    requirement: tuple[Requirement, ...]
    schedule: tuple[Floor, ...]
    cost: Cost
    runway: Runway
    """To ``size.max``."""
    runways: tuple[Runway, ...]
    """To every limit that is known, that one first."""
    within_hour: WithinHour | None
    """The headroom for the busiest minutes of an hour; ``forecast`` holds it already. None where none was learned."""
    tracking: Tracking
    """Above the floors, for what was not planned."""
    advice: Advice
    replay: Replay | None
    replay_reason: str
    """Why there is no replay."""
    statements: tuple[str, ...]
    """What a reader must know: limits hit, changes lowered, models that stood in."""

    @property
    def peak_factor(self) -> float:
        """What peaks within hours exceed the demand of hours by, at most."""
        return 1.0 if self.within_hour is None else float(self.within_hour.factor.max())

    @property
    def headroom(self) -> float:
        """How far demand may exceed its median before hosts are busier than ``at_utilisation``, as a share of it.

        Of the tightest twentieth of the hours.
        """
        median = self.forecast.at(0.5)
        carried = np.array([r.instances for r in self.requirement]) * self.rules.surviving_unit
        busy = median > 0
        return float(np.quantile(carried[busy] / median[busy] - 1, 0.05)) if busy.any() else float("inf")

    def to_json(self) -> dict[str, Any]:
        """The contract's keys, and the reasons beside them."""
        return {
            "unit_capacity": self.unit.value,
            "unit_capacity_source": self.unit.to_json(),
            "unit": self.series.unit,
            "requirement": [r.to_json() for r in self.requirement],
            "schedule": [f.to_json() for f in self.schedule],
            "cost_per_month": self.cost.per_month,
            "cost": self.cost.to_json(),
            "runway": self.runway.to_json(),
            "runways": [r.to_json() for r in self.runways],
            "within_hour": None if self.within_hour is None else self.within_hour.to_json(),
            "lead_minutes": {"value": self.settings.lead_minutes, "source": self.settings.lead_source},
            "tracking": self.tracking.to_json(),
            **self.advice.to_json(),
            "replay": None if self.replay is None else self.replay.to_json(),
            "replay_reason": self.replay_reason,
            "headroom": None if not np.isfinite(self.headroom) else self.headroom,
            "model": self.choice.to_json(),
            "statements": list(self.statements),
        }


@dataclass(frozen=True, slots=True, eq=False)
class CapacityPlan:
    """What ``ops capacity plan`` shows and ``ops capacity apply`` takes."""

    clusters: Mapping[str, ClusterPlan]
    refused: tuple[Refusal, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "clusters": {name: c.to_json() for name, c in self.clusters.items()},
            "refused": [r.to_json() for r in self.refused],
            "findings": [f.to_json() for f in self.findings],
        }


def plan(
    frame: pd.DataFrame,
    settings: Mapping[str, tuple[str, Settings]] | None = None,
    *,
    default: Settings | None = None,
    unit: float | None = None,
    only: Sequence[str] = (),
    models: Sequence[str] = (),
    now: datetime | None = None,
    levels: Sequence[float] = (),
) -> CapacityPlan:
    """Plan every demand series of a valid long frame; pure.

    ``settings`` gives, by series, the cluster it is the demand of and that cluster's settings
    (:func:`quartermaster.planner.settings.of_fleet`); another series is planned under its own name by ``default``.
    ``unit`` is a unit capacity given by hand, in the unit of the series; ``only`` limits to clusters of those
    names; ``levels`` are quantiles to hold beside the usual ones. The plan starts right after the history, or at the
    hour of ``now`` where that is later. Raises InputError where a unit capacity can neither be had nor learned, for all
    series at once.
    """
    cleaned = clean(frame)
    by_name = {s.id: s for s in cleaned.series}
    forecasters = candidates(models)
    clusters: dict[str, ClusterPlan] = {}
    refused: list[Refusal] = []
    faults: list[Fault] = []
    for series in cleaned.series:
        name, own = (settings or {}).get(series.id, (series.id, default or Settings()))
        if unit_capacity.is_companion(series.id) or (only and name not in only):
            continue
        reason = no_demand(series)
        if reason:
            refused.append(Refusal(name, reason))
            continue
        own = own if unit is None else replace(own, unit=unit, unit_is_per_second=False)
        try:
            learned = _unit_of(series, own, by_name)
        except InputError as exc:
            faults.append(Fault(name, exc.message, exc.remedy))
            continue
        clusters[name] = _one(name, series, own, learned, forecasters, now, by_name, levels)
    missing = [n for n in only if n not in clusters and n not in {r.name for r in refused}]
    if missing and not faults:
        there = ", ".join(by_name) or "none"
        raise InputError(f"no demand series for {', '.join(missing)}", remedy=f"series there are: {there}")
    if faults:
        raise InputError("; ".join(f.problem for f in faults), faults, remedy=faults[0].remedy)
    return CapacityPlan(clusters, tuple(refused), cleaned.findings)


def _one(
    name: str,
    series: Series,
    own: Settings,
    learned: UnitCapacity,
    forecasters: Sequence[Forecaster],
    now: datetime | None,
    by_name: Mapping[str, Series],
    more_levels: Sequence[float],
) -> ClusterPlan:
    rules = own.rules(learned.value)
    # Plans go by the hour: a finer history shows, beside its hours, how far the minutes in them exceed their mean.
    fine = finer_of(series, by_name)
    by_the_hour = by_hour(series, series.id)[0] if series.interval_us < HOUR_US and fine is not None else series
    within = None if fine is None else learn(fine)
    factors = within if isinstance(within, WithinHour) else None
    if not by_the_hour.known or (factors is None and by_the_hour is not series):
        by_the_hour, fine, factors = series, None, None
    levels = sorted({0.1, *DEFAULT_LEVELS, own.quantile, *more_levels})
    stale = stale_steps(by_the_hour, now)
    steps = max(1, own.horizon_days * DAY_US // by_the_hour.interval_us) + stale
    reach, _ = lead_of(own.lead_minutes, by_the_hour.interval_us / 60e6)
    result = next(forecast_prepared([by_the_hour], steps + reach, levels, forecasters, own.calendar))
    assert result.choice is not None
    hours = hourly(result)
    hours = hours if factors is None else hours.times_by(factors)
    count = max(1, round(own.horizon_days * DAY_US / 60e6 / hours.interval_minutes))
    skipped = 0 if now is None else sum(t <= now - timedelta(minutes=hours.interval_minutes) for t in hours.times)
    demand = provided_for(hours, own)[skipped : skipped + count]
    hours = hours.part(skipped, count)
    needed = requirement(demand, rules)
    clipped = np.clip(needed, max(rules.smallest, 1), rules.largest)
    rows = tuple(
        Requirement(t, float(d), int(n), int(c))
        for t, d, n, c in zip(hours.times, demand, needed, clipped, strict=True)
    )
    early = hours.early(own.lead_minutes)
    schedule, lowered = floors(hours.times, [r.instances for r in rows], own.changes_per_day, own.zone, early)
    cost = monthly(schedule, hours.times, hours.interval_minutes, clipped, own.instance, own.region)
    peak = 1.0 if factors is None else float(factors.factor.max())
    limits = runways(by_the_hour, rules, own, cost.mean_instances, by_name, peak)
    price = hour_price(own.instance, own.region)
    replayed = replay(
        by_the_hour,
        rules,
        own.quantile,
        own.lead_minutes,
        own.changes_per_day,
        forecasters,
        fine,
        price,
        tracking=own.tracking,
        calendar=own.calendar,
    )
    return ClusterPlan(
        name=name,
        series=series,
        settings=own,
        unit=learned,
        rules=rules,
        forecast=hours,
        choice=result.choice,
        requirement=rows,
        schedule=schedule,
        cost=cost,
        runway=limits[0],
        runways=limits,
        within_hour=factors,
        tracking=tracking_of(demand, hours.at(0.5), rules, own),
        advice=advise(by_the_hour, demand, rules, own, learned, peak),
        replay=None if isinstance(replayed, str) else replayed,
        replay_reason=replayed if isinstance(replayed, str) else "",
        statements=(
            *told(result.choice, rows, rules, lowered, stale * by_the_hour.interval_us / DAY_US),
            *over_budget(own, cost, rules),
            *([factors.told()] if factors is not None else []),
        ),
    )


def provided_for(hours: Hourly, own: Settings) -> NDArray[np.float64]:
    """What each hour must carry: the demand quantile over the lead time, of which floors' early rises are a part."""
    return hours.over_lead(own.lead_minutes)[:, hours.levels.index(own.quantile)]


def _unit_of(series: Series, own: Settings, by_name: Mapping[str, Series]) -> UnitCapacity:
    if own.unit is None:
        shape = load_prices().shape(own.instance)
        return unit_capacity.learn(series, by_name, own.target_utilisation, 2 if shape is None else shape.vcpu)
    scale = unit_capacity.period_seconds(series.unit) if own.unit_is_per_second else 1.0
    return unit_capacity.given(own.unit * scale)
