"""The report: one self-contained HTML page for people who were not there, a pure function of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from importlib.resources import files
from typing import Any

from quartermaster.planner import report_cost
from quartermaster.planner.month import Month
from quartermaster.planner.plan import CapacityPlan
from quartermaster.planner.report_cluster import Table, money, section, span, when
from quartermaster.planner.report_patching import patching, sentence
from quartermaster.planner.spent import Spent
from quartermaster.planner.statements import of_to
from quartermaster.planner.verification import Verification

__all__ = ["ReportData", "render"]


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """What the report shows; parts that are None are named as not there, with the command that makes them."""

    fleet: str
    stack: str
    """Empty: the page is of the plan alone."""
    target: str
    generated_at: datetime
    plan: CapacityPlan | None = None
    verified: Mapping[str, Verification] = field(default_factory=dict)
    """By cluster: how earlier forecasts came true."""
    drills: Mapping[str, Any] | None = None
    """``drill schedule --json``."""
    patching: Mapping[str, Any] = field(default_factory=dict)
    """``clusters`` of ``patch report --json``."""
    drill_results: Sequence[Mapping[str, Any]] = ()
    """``drill run --json`` of past runs, newest first."""
    zone: tzinfo = field(default=UTC)
    """Of the people who read it."""
    spent: Spent | None = None
    months: Sequence[Month] = ()
    """The calendar; their drills are those of ``drills``."""


def render(data: ReportData) -> str:
    """The page. Nothing in it is fetched from elsewhere; equal data gives an equal page."""
    from jinja2 import Environment, StrictUndefined

    folder = files("quartermaster.planner")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(folder.joinpath("report.html.j2").read_text(encoding="utf-8"))
    plans = {} if data.plan is None else data.plan.clusters
    clusters = [section(c, data.verified.get(name), data.zone) for name, c in plans.items()]
    return template.render(
        css=folder.joinpath("report.css").read_text(encoding="utf-8"),
        js=folder.joinpath("report.js").read_text(encoding="utf-8"),
        fleet=data.fleet,
        stack=data.stack,
        target=data.target,
        rehearsed=data.target == "local",
        generated=when(data.generated_at, data.zone),
        summary=_summary(data),
        clusters=clusters,
        refused=Table(("series", "why"), [[r.name, r.reason] for r in data.plan.refused] if data.plan else []),
        findings=_findings(data),
        cost=None if data.spent is None else report_cost.cost(data.spent, data.zone),
        months=data.months,
        today=data.generated_at.astimezone(data.zone).date(),
        calendar=_calendar(data),
        infeasible=Table(
            ("kind", "of", "rule that forbids it"),
            [[i["kind"], i["of"], i["rule"]] for i in data.drills["infeasible"]] if data.drills else [],
        ),
        has_drills=data.drills is not None,
        patching=[patching(name, found, data.zone) for name, found in data.patching.items()],
        results=[_result(r) for r in data.drill_results],
    )  # fmt: skip


def _summary(data: ReportData) -> list[str]:
    """Sentences a newcomer understands."""
    out = []
    for c in [] if data.plan is None else data.plan.clusters.values():
        low, high = min(f.instances for f in c.schedule), max(f.instances for f in c.schedule)
        line = f"{c.name} needs {of_to(low, high, ' to ')} instances over the next {span(c)}"
        cost = c.cost
        if cost.per_month is not None and cost.static_peak_per_month is not None:
            saved = round(cost.static_peak_per_month - cost.per_month)
            line += f": {money(cost.per_month, cost.currency)} a month"
            line += f", {money(saved, cost.currency)} less than always holding the peak" if saved > 0 else ""
        out.append(line + ".")
        out += [f"{c.name}: {s}." for s in c.statements]
    out += [told] if data.spent and (told := report_cost.sentence(data.spent)) else []
    if data.drills is not None and data.drills["drills"]:
        first = data.drills["drills"][0]
        out.append(f"Next drill: {_words(first['kind'])} of {first['of']}, {_stamp(first['starts_at'], data.zone)}.")
    out += [told for name, found in data.patching.items() if (told := sentence(name, found))]
    for r in data.drill_results[:1]:
        if r.get("rto_seconds") is not None:
            out.append(f"The last drill ({_words(r['kind'])} of {r['of']}) recovered in {r['rto_seconds']:.1f} s.")
    return out


def _findings(data: ReportData) -> Table:
    found = data.plan.findings if data.plan is not None else ()
    rows = [[f.series, f.kind, f.where, str(f.rows), f.detail, f.remedy] for f in found]
    return Table(("series", "finding", "where", "readings", "what was done", "remedy"), rows, (3,))


def _calendar(data: ReportData) -> Table:
    rows = [
        [
            _stamp(d["starts_at"], data.zone),
            f"{_words(d['kind'])} of {d['of']}",
            "unknown" if d["risk"] is None else "below 0.01%" if d["risk"] < 1e-4 else f"{d['risk']:.2%}",
            d["why"],
            d["runner_up"],
        ]
        for d in (data.drills["drills"] if data.drills is not None else ())
    ]
    return Table(("when", "drill", "risk", "why this hour", "runner-up"), rows)


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


def _words(name: str) -> str:
    return name.replace("_", " ")


def _stamp(iso: str, zone: tzinfo) -> str:
    return when(datetime.fromisoformat(iso.replace("Z", "+00:00")), zone)
