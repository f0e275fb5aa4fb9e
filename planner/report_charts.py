"""The report's charts of one cluster: demand with its forecast fan, the plan over it, and how both came out."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, tzinfo

import numpy as np

from quartermaster.planner.capacity import requirement
from quartermaster.planner.chart import Chart, Layer, Line, Mark, Readout, chart, plane
from quartermaster.planner.hourly import instant, peaks
from quartermaster.planner.plan import ClusterPlan
from quartermaster.planner.replay import Outcome, Replay
from quartermaster.planner.statements import amount
from quartermaster.planner.verification import Verification

__all__ = ["demand_chart", "plan_chart", "tradeoff_chart", "verification_chart"]

_HISTORY_DAYS = 14
_FEWEST_SHORT, _MOST_SHORT = 0.05, 0.25
"""Bounds of the axis of hours short: beyond, nobody runs production."""
_MOST_SURPLUS = 5.0


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
            Readout(t, f"{_when(t, zone)}: {amount(v)} measured")
            for t, v in zip(past_times, past, strict=True)
            if v is not None
        ),
        *(
            Readout(t, f"{_when(t, zone)}: median {amount(m)}, q{quantile:g} {amount(q)}")
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


def tradeoff_chart(name: str, replay: Replay) -> Chart:
    """Surplus over hours short: each way as it provisions for more or less, and the best mixes."""
    mixed = [(m.outcome.under_share, m.outcome.over_provisioning) for m in replay.frontier]
    ways = {
        "mixes": ("floors and tracking, mixed", mixed),
        "floors": ("this plan", _curve(replay, "planner")),
        "tracking": ("target tracking", _curve(replay, "target_tracking")),
        "predictive": ("predictive scaling", _curve(replay, "predictive_scaling")),
        "peak": ("constant peak", _curve(replay, "static_peak")),
    }
    marks = [_mark("floors", "this plan", replay.planner)]
    if replay.thrifty is not None:
        marks.append(_mark("mixes", replay.thrifty.told, replay.thrifty.outcome))
    marks += [
        _mark("tracking", "target tracking", replay.target_tracking),
        _mark("predictive", "predictive scaling", replay.predictive_scaling),
        _mark("peak", "constant peak", replay.static_peak),
    ]
    short, held = replay.planner.under_share, replay.planner.over_provisioning
    reach = (min(max(1.2 * short, _FEWEST_SHORT), _MOST_SHORT), min(max(1.2 * held, 0.1), _MOST_SURPLUS))
    lines = [Line(style, told, sorted(points)) for style, (told, points) in ways.items()]
    title = f"{name} on the last {replay.days} days: surplus instances (up) over hours short (across)"
    return plane(title, lines, marks, reach)


def verification_chart(plan: ClusterPlan, found: Verification, zone: tzinfo) -> Chart | None:
    """What came, and what had been forecast last before the hour; None where fewer than two hours are shown."""
    if len(found.times) < 2:
        return None
    layers = [
        Layer("fan-outer", f"median to q{found.quantile:g}", [*map(float, found.median)], [*map(float, found.upper)]),
        Layer("median", "median, as forecast before", [*map(float, found.median)]),
        Layer("history", "came", [*map(float, found.came)]),
    ]
    readouts = [
        Readout(
            t, f"{_when(t, zone)}: {amount(came)} came, median {amount(middle)}, q{found.quantile:g} {amount(high)}"
        )
        for t, came, middle, high in zip(found.times, found.came, found.median, found.upper, strict=True)
    ]
    return chart(f"Demand of {plan.name} and what had been forecast", found.times, layers, zone, readouts=readouts)


def _curve(replay: Replay, way: str) -> list[tuple[float, float]]:
    return [(p.under_share, p.over_provisioning) for p in replay.curve[way]]


def _mark(style: str, told: str, outcome: Outcome) -> Mark:
    text = f"{told}: {outcome.under_share:.1%} of hours short, {outcome.over_provisioning:.0%} surplus"
    return Mark(style, text, outcome.under_share, outcome.over_provisioning)


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
