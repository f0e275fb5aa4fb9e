"""The capacity plan: forecast quantiles, instances an hour, the cheapest floors, price, runway, replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.planner import unit as unit_capacity
from quartermaster.planner.capacity import Rules, over_lead, requirement
from quartermaster.planner.clean import clean
from quartermaster.planner.findings import Finding, Refusal
from quartermaster.planner.forecast import DEFAULT_LEVELS
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.hourly import Hourly, hourly, instant
from quartermaster.planner.one import Choice, forecast_series
from quartermaster.planner.prices import Cost, monthly
from quartermaster.planner.replay import Replay, replay
from quartermaster.planner.runway import Runway, runway
from quartermaster.planner.schedule import Floor, floors
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings
from quartermaster.planner.unit import UnitCapacity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CapacityPlan", "ClusterPlan", "Requirement", "plan"]


_LONGEST_STALE_DAYS = 92


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
            "timestamp": _iso(self.at), "demand_q": self.demand_q, "instances": self.instances, "needed": self.needed,
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
    replay: Replay | None
    replay_reason: str
    """Why there is no replay."""
    statements: tuple[str, ...]
    """What a reader must know: limits hit, changes lowered, models that stood in."""

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
) -> CapacityPlan:
    """Plan every demand series of a valid long frame; pure.

    ``settings`` gives, by series, the cluster it is the demand of and that cluster's settings
    (:func:`quartermaster.planner.settings.of_fleet`); another series is planned under its own name by ``default``.
    ``unit`` is a unit capacity given by hand, in the unit of the series; ``only`` limits to clusters of those
    names. The plan starts right after the history, or at the hour of ``now`` where that is later. Raises
    InputError where a unit capacity can neither be had nor learned, for all series at once.
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
        reason = _no_demand(series)
        if reason:
            refused.append(Refusal(name, reason))
            continue
        own = own if unit is None else replace(own, unit=unit, unit_is_per_second=False)
        try:
            learned = _unit_of(series, own, by_name)
        except InputError as exc:
            faults.append(Fault(name, exc.message, exc.remedy))
            continue
        clusters[name] = _one(name, series, own, learned, forecasters, now)
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
) -> ClusterPlan:
    rules = own.rules(learned.value)
    levels = sorted({0.1, *DEFAULT_LEVELS, own.quantile})
    stale = _stale_steps(series, now)
    steps = max(1, own.horizon_days * DAY_US // series.interval_us) + stale
    reach = int(np.ceil(own.lead_minutes * 60e6 / series.interval_us))
    result = forecast_series(series, steps + reach, levels, forecasters)
    assert result.choice is not None
    hours = hourly(result)
    demand = over_lead(hours.at(own.quantile), hours.interval_minutes, own.lead_minutes)
    count = max(1, round(own.horizon_days * DAY_US / 60e6 / hours.interval_minutes))
    skipped = 0 if now is None else sum(t <= now - timedelta(minutes=hours.interval_minutes) for t in hours.times)
    hours, demand = hours.part(skipped, count), demand[skipped : skipped + count]
    needed = requirement(demand, rules)
    clipped = np.clip(needed, max(rules.smallest, 1), rules.largest)
    rows = tuple(
        Requirement(t, float(d), int(n), int(c))
        for t, d, n, c in zip(hours.times, demand, needed, clipped, strict=True)
    )
    schedule, lowered = floors(hours.times, [r.instances for r in rows], own.changes_per_day, own.zone)
    replayed = replay(series, rules, own.quantile, own.lead_minutes, own.changes_per_day, forecasters)
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
        cost=monthly(schedule, hours.times, hours.interval_minutes, clipped, own.instance, own.region),
        runway=runway(series, rules),
        replay=None if isinstance(replayed, str) else replayed,
        replay_reason=replayed if isinstance(replayed, str) else "",
        statements=_statements(result.choice, rows, rules, lowered, stale * series.interval_us / DAY_US),
    )


def _unit_of(series: Series, own: Settings, by_name: Mapping[str, Series]) -> UnitCapacity:
    if own.unit is None:
        return unit_capacity.learn(series, by_name, own.target_utilisation)
    scale = unit_capacity.period_seconds(series.unit) if own.unit_is_per_second else 1.0
    return unit_capacity.given(own.unit * scale)


def _no_demand(series: Series) -> str:
    if not series.known:
        return f"none of its {len(series.values)} intervals has a usable reading"
    if series.lower < 0:
        return "it is often negative: that is no demand"
    if series.interval_us > DAY_US:
        return f"an interval of {series.interval_us / DAY_US:.3g} days is too coarse for a plan by the hour"
    return ""


def _stale_steps(series: Series, now: datetime | None) -> int:
    """Intervals that have passed since the last row; at most a quarter of a year of them is bridged."""
    if now is None:
        return 0
    behind = int((now - instant(series.last_us)) / timedelta(microseconds=1))
    if behind > _LONGEST_STALE_DAYS * DAY_US:
        raise InputError(
            f"the history of {series.id} ends at {_iso(instant(series.last_us))}, {behind // DAY_US} days ago",
            remedy="bring it up to date: ops metrics import FILE; or plan from a file with --metrics",
        )
    return max(0, behind // series.interval_us)


def _statements(
    choice: Choice, rows: Sequence[Requirement], rules: Rules, lowered: str, stale_days: float
) -> tuple[str, ...]:
    out = []
    if stale_days > 1:
        out.append(f"the history ends {stale_days:.1f} days before the plan starts: import what came since")
    if choice.fallback:
        out.append(f"low confidence: {choice.reason}")
    over = [r for r in rows if r.needed > r.instances]
    if over:
        worst = max(over, key=lambda r: r.needed)
        out.append(
            f"size.max {rules.largest} is hit in {len(over)} hours from {_iso(over[0].at)}; at worst {worst.needed} "
            f"instances are needed at {_iso(worst.at)}: raise size.max, or accept less in hand then"
        )
    return (*out, lowered) if lowered else tuple(out)


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
