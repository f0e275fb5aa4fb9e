"""The report's charts of one cluster: demand with its forecast fan, and the plan over it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, tzinfo

import numpy as np

from quartermaster.planner.capacity import requirement
from quartermaster.planner.chart import Chart, Layer, Readout, chart
from quartermaster.planner.hourly import instant, peaks
from quartermaster.planner.plan import ClusterPlan

__all__ = ["demand_chart", "plan_chart"]

_HISTORY_DAYS = 14


def demand_chart(plan: ClusterPlan, zone: tzinfo) -> Chart:
    """The last two weeks of demand, then its quantiles."""
    past_times, past = _history(plan)
    hours = plan.forecast
    times = [*past_times, *hours.times]
    n = len(past)
    quantile = plan.settings.quantile

    def ahead(level: float) -> list[float | None]:
        return [*[None] * n, *map(float, hours.at(level))]

    layers = [
        Layer("fan-outer", f"up to q{quantile:g}", ahead(0.5), ahead(max(quantile, 0.5))),
        Layer("fan-inner", "q0.1 to q0.9", ahead(0.1), ahead(0.9)),
        Layer("history", "measured", [*past, *[None] * len(hours.times)]),
        Layer("median", "median forecast", ahead(0.5)),
    ]
    unit = "" if plan.series.unit == "unknown" else f" ({plan.series.unit})"
    readouts = [
        *(
            Readout(t, f"{_when(t, zone)}: {v:.4g} measured")
            for t, v in zip(past_times, past, strict=True)
            if v is not None
        ),
        *(
            Readout(t, f"{_when(t, zone)}: median {m:.4g}, q{quantile:g} {q:.4g}")
            for t, m, q in zip(hours.times, hours.at(0.5), hours.at(quantile), strict=True)
        ),
    ]  # fmt: skip
    return chart(f"Demand of {plan.name}{unit}", times, layers, zone, marker=hours.times[0], readouts=readouts)


def plan_chart(plan: ClusterPlan, zone: tzinfo) -> Chart:
    """Instances that each hour needs, and the floors that the plan sets over them; on the same time axis."""
    past_times, past = _history(plan)
    times = [*past_times, *(r.at for r in plan.requirement)]
    n = len(past)
    needed_then: list[float | None] = [
        None if v is None else float(max(plan.rules.smallest, requirement([v], plan.rules)[0])) for v in past
    ]
    needed = [float(max(plan.rules.smallest, r.needed)) for r in plan.requirement]
    floors = _floors(plan)
    none: list[float | None] = [None] * n
    zero: list[float | None] = [0.0] * len(needed)
    layers = [
        Layer("needed", "needed with the loss it survives", [*none, *zero], [*none, *needed], steps=True),
        Layer("needed-then", "would have been needed", [*needed_then, *[None] * len(needed)], steps=True),
        Layer("floor", "floor", [*none, *floors], steps=True),
    ]
    if plan.rules.largest is not None and plan.rules.largest <= 2 * max(*floors, *needed):
        layers.append(Layer("limit", f"size.max {plan.rules.largest}", [float(plan.rules.largest)] * len(times)))
    readouts = [
        Readout(r.at, f"{_when(r.at, zone)}: {r.needed} needed, floor {f:.0f}")
        for r, f in zip(plan.requirement, floors, strict=True)
    ]
    return chart(f"Instances of {plan.name}", times, layers, zone, marker=plan.forecast.times[0], readouts=readouts)


def _history(plan: ClusterPlan) -> tuple[list[datetime], list[float | None]]:
    """The last two weeks by the hour, or by the interval where that is longer."""
    series = plan.series
    span = min(len(series.values), int(timedelta(days=_HISTORY_DAYS) / timedelta(microseconds=series.interval_us)))
    stamps = series.last_us - series.interval_us * np.arange(span - 1, -1, -1)
    starts, values = peaks(stamps, series.values[len(series.values) - span :])
    first = plan.forecast.times[0]
    kept = [(instant(int(s)), float(v)) for s, v in zip(starts, values, strict=True) if instant(int(s)) < first]
    return [t for t, _ in kept], [v if math.isfinite(v) else None for _, v in kept]


def _floors(plan: ClusterPlan) -> list[float]:
    out: list[float] = []
    at = 0
    for row in plan.requirement:
        while at + 1 < len(plan.schedule) and plan.schedule[at + 1].starts_at <= row.at:
            at += 1
        out.append(float(plan.schedule[at].instances))
    return out


def _when(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%a %d %b %H:%M}"
