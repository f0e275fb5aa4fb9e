"""The report: one self-contained HTML page for people who were not there, a pure function of values."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from quartermaster.planner.chart import Chart
from quartermaster.planner.plan import CapacityPlan, ClusterPlan
from quartermaster.planner.report_charts import demand_chart, plan_chart

__all__ = ["ReportData", "render"]


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """What the report shows; parts that are None are named as not there, with the command that makes them."""

    fleet: str
    stack: str
    target: str
    generated_at: datetime
    plan: CapacityPlan | None = None
    drills: Mapping[str, Any] | None = None
    """``drill schedule --json``."""
    patch: Mapping[str, Any] | None = None
    """``patch status --json`` of the last cycle."""
    drill_results: Sequence[Mapping[str, Any]] = ()
    """``drill run --json`` of past runs, newest first."""
    zone: tzinfo = field(default=UTC)
    """Of the people who read it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cluster:
    """One cluster as the template spells it out."""

    name: str
    cards: list[tuple[str, str, str]]
    charts: list[Chart]
    facts: list[tuple[str, str]]
    statements: Sequence[str]
    floors: list[list[str]]
    floors_csv: str
    requirement_csv: str
    models: list[list[str]]
    replay: list[list[str]]


def render(data: ReportData) -> str:
    """The page. Nothing in it is fetched from elsewhere; equal data gives an equal page."""
    from jinja2 import Environment, StrictUndefined

    folder = files("quartermaster.planner")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(folder.joinpath("report.html.j2").read_text(encoding="utf-8"))
    clusters = [] if data.plan is None else [_cluster(c, data.zone) for c in data.plan.clusters.values()]
    return template.render(
        css=folder.joinpath("report.css").read_text(encoding="utf-8"),
        js=folder.joinpath("report.js").read_text(encoding="utf-8"),
        fleet=data.fleet,
        stack=data.stack,
        target=data.target,
        rehearsed=data.target == "local",
        generated=_when(data.generated_at, data.zone),
        summary=_summary(data),
        clusters=clusters,
        refused=[] if data.plan is None else [(r.name, r.reason) for r in data.plan.refused],
        findings=[] if data.plan is None else [
            [f.series, f.kind, f.where, str(f.rows), f.detail, f.remedy] for f in data.plan.findings
        ],
        calendar=_calendar(data),
        infeasible=[] if data.drills is None else [[i["kind"], i["of"], i["rule"]] for i in data.drills["infeasible"]],
        has_drills=data.drills is not None,
        patch=_patch(data.patch),
        results=[_result(r) for r in data.drill_results],
    )  # fmt: skip


def _summary(data: ReportData) -> list[str]:
    """Sentences a newcomer understands."""
    out = []
    for c in [] if data.plan is None else data.plan.clusters.values():
        low, high = min(f.instances for f in c.schedule), max(f.instances for f in c.schedule)
        line = f"{c.name} needs {low} to {high} instances over the next {_span(c)}"
        cost = c.cost
        if cost.per_month is not None and cost.static_peak_per_month is not None:
            saved = cost.static_peak_per_month - cost.per_month
            line += (
                f": {_money(cost.per_month, cost.currency)} a month, {_money(saved, cost.currency)} less than always "
                "holding the peak"
            )
        out.append(line + ".")
        out += [f"{c.name}: {s}." for s in c.statements]
    if data.drills is not None and data.drills["drills"]:
        first = data.drills["drills"][0]
        out.append(f"Next drill: {_words(first['kind'])} of {first['of']}, {_stamp(first['starts_at'], data.zone)}.")
    if data.patch is not None and data.patch.get("requests"):
        requests = data.patch["requests"]
        out.append(f"The last patch cycle failed {requests['failed']} of {requests['sent']:,} requests.")
    for r in data.drill_results[:1]:
        if r.get("rto_seconds") is not None:
            out.append(f"The last drill ({_words(r['kind'])} of {r['of']}) recovered in {r['rto_seconds']:.1f} s.")
    return out


def _cluster(c: ClusterPlan, zone: tzinfo) -> _Cluster:
    cost, runway = c.cost, c.runway
    instances = [f.instances for f in c.schedule]
    none = "not in the price table"
    cards = [
        ("Instances", f"{min(instances)} - {max(instances)}", f"over {_span(c)}, mean {cost.mean_instances:.1f}"),
        (
            "Cost a month",
            none if cost.per_month is None else _money(cost.per_month, cost.currency),
            "" if cost.static_peak_per_month is None
            else f"{_money(cost.static_peak_per_month, cost.currency)} at constant peak",
        ),
        (
            "Runway to size.max",
            runway.p50 or "no date",
            f"80 %: {runway.p10} to {runway.p90 or 'never'}" if runway.p10 else runway.reason,
        ),
        ("Forecast", c.choice.model.split("(")[0], c.choice.reason),
    ]  # fmt: skip
    rules = c.rules
    facts = [
        ("Unit capacity", f"{c.unit.value:.4g} at {rules.target_utilisation:.0%} utilisation ({c.unit.why})"),
        ("Survives", f"{rules.lost} of {rules.zones} zones lost, the rest then up to {rules.at_utilisation:.0%} busy"),
        ("Plans for", f"q{c.settings.quantile:g} of demand over a lead time of {c.settings.lead_minutes:g} minutes"),
        ("Headroom", f"{c.headroom:.0%} above the median demand in the tightest hours"),
        ("Runway", runway.reason),
        ("Prices", f"{cost.instance} in {cost.region}, list prices of {cost.prices_dated}; instances only"),
    ]
    floors = [[_when(f.starts_at, zone), str(f.instances)] for f in c.schedule]
    return _Cluster(
        c.name,
        cards,
        [demand_chart(c, zone), plan_chart(c, zone)],
        facts,
        c.statements,
        floors,
        _csv(["starts_at", "instances"], [[f.to_json()["starts_at"], str(f.instances)] for f in c.schedule]),
        _csv(
            ["timestamp", "demand_q", "needed", "instances"],
            [[r.to_json()["timestamp"], f"{r.demand_q:.6g}", str(r.needed), str(r.instances)] for r in c.requirement],
        ),
        [[s.model, "" if s.relative_error is None else f"{s.relative_error:.2f}", s.reason] for s in c.choice.scores],
        _replay(c),
    )


def _replay(c: ClusterPlan) -> list[list[str]]:
    if c.replay is None:
        return []
    rows = [("this planner", c.replay.planner), ("constant peak of the four weeks before", c.replay.static_peak)]
    return [
        [name, f"{o.under_hours} ({o.under_share:.1%})", f"{o.over_provisioning:.0%}", f"{o.instance_hours:,.0f}"]
        for name, o in rows
    ]


def _calendar(data: ReportData) -> list[list[str]]:
    if data.drills is None:
        return []
    return [
        [
            _stamp(d["starts_at"], data.zone),
            f"{_words(d['kind'])} of {d['of']}",
            "unknown" if d["risk"] is None else "below 0.01%" if d["risk"] < 1e-4 else f"{d['risk']:.2%}",
            d["why"],
            d["runner_up"],
        ]
        for d in data.drills["drills"]
    ]


def _patch(patch: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if patch is None:
        return None
    requests = patch.get("requests")
    return {
        "state": _words(str(patch.get("state", "unknown"))),
        "run": str(patch.get("run", "")),
        "requests": "not counted" if not requests else f"{requests['failed']} of {requests['sent']:,} failed",
        "hosts": [
            [
                h["id"],
                h["zone"],
                _words(h["state"]),
                h.get("from") or "",
                h.get("to") or "",
                "" if h.get("seconds") is None else f"{h['seconds']:.1f} s",
            ]
            for h in patch.get("hosts", ())
        ],
    }


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    phases: Mapping[str, float] = result.get("rto_phases") or {}
    total = sum(phases.values()) or 1.0
    met = result.get("objective_met")
    requests = result.get("requests")
    rto = result.get("rto_seconds")
    return {
        "title": f"{_words(result['kind'])} of {result['of']}",
        "target": str(result.get("target", "")),
        "rto": "not measured" if rto is None else f"{rto:.1f} s",
        "met": "no objective declared" if met is None else "objective met" if met else "objective missed",
        "requests": "not counted" if not requests else f"{requests['failed']} of {requests['sent']:,} requests failed",
        "restored": "everything as before" if result.get("restored") else "not restored",
        "phases": [(name, f"{seconds:.1f} s", round(100 * seconds / total, 2)) for name, seconds in phases.items()],
    }


def _csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as a link that saves it, without a request."""
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    return "data:text/csv;charset=utf-8," + quote(out.getvalue())


def _span(c: ClusterPlan) -> str:
    hours = timedelta(minutes=c.forecast.interval_minutes * len(c.requirement)) / timedelta(hours=1)
    return f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} hours"


def _money(amount: float, currency: str) -> str:
    return f"{'$' if currency == 'USD' else currency + ' '}{amount:,.0f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _stamp(iso: str, zone: tzinfo) -> str:
    return _when(datetime.fromisoformat(iso.replace("Z", "+00:00")), zone)


def _when(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%a %d %b %Y %H:%M %Z}"
