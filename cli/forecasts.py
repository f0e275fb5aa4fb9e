"""What other commands ask of the planner: plans from the store, the demand of this hour, the drill schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from quartermaster.cli.lead import lead_measured
from quartermaster.cli.output import say, working
from quartermaster.cli.plan_cache import cached
from quartermaster.cli.plan_summary import keep as summarised
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.planner.drill_schedule import DrillSchedule
    from quartermaster.planner.plan import CapacityPlan, ClusterPlan, Requirement
    from quartermaster.playbooks.outlook import Outlook
    from quartermaster.playbooks.patch_waves import Need
    from quartermaster.runbooks.case import Demand

__all__ = ["demand_now", "drill_plan", "known_plan", "outlook", "plan_of_store", "plans"]

_HOURS = 36 * 24
"""As far ahead as a patch window is looked for."""
_ROUNDING = 1e-9
"""Demand above whole hosts by less than this share is rounding, as the capacity plan takes it."""


@cache
def plan_of_store(ops: Session, *only: str) -> CapacityPlan | None:
    """The capacity plan of clusters whose demand the store knows; None where it knows of none."""
    store = ops.workspace.folder("metrics")
    if not any(store.iterdir()):  # the planner takes a while to import
        return None
    from quartermaster.planner.plan import plan
    from quartermaster.planner.settings import of_fleet
    from quartermaster.planner.store import load, names
    from quartermaster.planner.verification import keep

    lead = lead_measured(ops.journal.runs("drill", stack=ops.stack))
    wanted = {series: own for series, own in of_fleet(ops.fleet, lead).items() if not only or own[0] in only}
    known = [series for series in names(store) if series in wanted]
    if not known:
        return None
    now = ops.clock.now()

    def decide() -> CapacityPlan:
        with working("forecasting demand from the metric store, and replaying the plan on the past"):
            found = plan(load(store, finer=True), wanted, only=[wanted[series][0] for series in known], now=now)
        # Later readings are held against what was expected now.
        keep(ops.workspace.folder("reports") / "forecasts", found, now)
        summarised(ops.workspace.folder("reports"), ops.stack, found, now)
        return found

    return cached(ops.workspace.folder("cache"), store, wanted, now, decide)


def known_plan(ops: Session, *only: str) -> CapacityPlan | None:
    """The same for those to whom demand may stay unknown (guards, the report): says why instead of raising."""
    try:
        return plan_of_store(ops, *only)
    except InputError as error:
        say(f"warning: demand is taken as unknown: {error.message} ({error.remedy})")
        return None


def plans(ops: Session, *only: str) -> Mapping[str, ClusterPlan]:
    """What is known, by cluster; empty where demand is unknown."""
    found = known_plan(ops, *only)
    return {} if found is None else found.clusters


def demand_now(ops: Session, cluster: str) -> Demand | None:
    """The upper quantile of the cluster's demand in this hour; None without a forecast."""
    from quartermaster.planner.unit import period_seconds
    from quartermaster.runbooks.case import Demand

    plan = plans(ops, cluster).get(cluster)
    if plan is None:
        return None
    seconds = period_seconds(plan.series.unit)
    asked = plan.requirement[0].demand_q / seconds
    return Demand(per_second=asked, unit_capacity=plan.unit.value / seconds, quantile=plan.settings.quantile)


def outlook(ops: Session, cluster: str) -> Outlook | None:
    """What each of the coming hours asks of the cluster; None without a forecast."""
    plan = plans(ops, cluster).get(cluster)
    if plan is None:
        return None
    from quartermaster.planner.windows import exceedance
    from quartermaster.playbooks.outlook import Hour, Outlook
    from quartermaster.playbooks.patch_waves import Need

    rules, hours = plan.rules, plan.forecast
    left = rules.zones - rules.lost
    every_zone = min(rules.zones * rules.unit, left * rules.surviving_unit)
    top = max(row.demand_q for row in plan.requirement) or 1.0
    most = range((rules.largest or ops.fleet.clusters[cluster].size.max) + 1)

    def needed(row: Requirement) -> Need:
        whole, lost = (math.ceil(row.demand_q / one * (1 - _ROUNDING)) for one in (rules.unit, rules.surviving_unit))
        share = 0 if rules.cross_zone else math.ceil(row.demand_q / every_zone * (1 - _ROUNDING))
        return Need(whole, lost, source, share)

    def chances(at: int, one: float) -> tuple[float, ...]:
        quantiles = [float(q) for q in hours.quantiles[at]]
        return tuple(exceedance(quantiles, hours.levels, count * one) for count in most)

    source = f"forecast by {plan.choice.model}, quantile {plan.settings.quantile:g}"
    return Outlook(
        tuple(
            Hour(
                row.at,
                row.demand_q / top,
                needed(row),
                chances(at, rules.unit),
                chances(at, rules.surviving_unit),
                () if rules.cross_zone else chances(at, every_zone),
            )
            for at, row in enumerate(plan.requirement[:_HOURS])
        ),
        timedelta(minutes=hours.interval_minutes),
        source,
    )


def drill_plan(ops: Session, days: int) -> DrillSchedule:
    """The drills of the coming days in their hours."""
    from quartermaster.cli.drill_past import drills_past
    from quartermaster.planner.drill_schedule import schedule
    from quartermaster.runbooks.kinds import KINDS

    limits = {name: sum(kind.limits.values()) for name, kind in KINDS.items()}
    return schedule(ops.fleet, ops.stack, plans(ops), ops.clock.now(), days, drills_past(ops), limits)
