"""One cluster in the report: its plan, the reasons and runners-up, and how earlier forecasts and plans came out."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from urllib.parse import quote

from quartermaster.planner.chart import Chart
from quartermaster.planner.plan import ClusterPlan
from quartermaster.planner.replay import Replay
from quartermaster.planner.report_charts import demand_chart, plan_chart, tradeoff_chart, verification_chart
from quartermaster.planner.statements import of_to
from quartermaster.planner.verification import Verification

__all__ = ["Cluster", "Table", "money", "section", "span", "when"]

_WAYS = {
    "planner": "this plan",
    "floors_only": "its floors alone",
    "static_peak": "constant peak of the four weeks before",
    "target_tracking": "target tracking alone",
    "predictive_scaling": "predictive scaling, as documented",
}
_TYPES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be saved as CSV."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    """Columns of numbers, aligned to the right."""

    @property
    def csv(self) -> str:
        """As a link that saves it, without a request."""
        out = io.StringIO()
        csv.writer(out).writerows([self.heads, *self.rows])
        return "data:text/csv;charset=utf-8," + quote(out.getvalue())


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """One cluster as the template spells it out."""

    name: str
    cards: list[tuple[str, str, str]]
    charts: list[Chart]
    facts: list[tuple[str, str]]
    statements: Sequence[str]
    floors: Table
    requirement: Table
    models: Table
    runways: Table
    types: Table
    refused_types: Table
    advice: list[str]
    replay: Table | None
    replay_reason: str
    tradeoff: Chart | None
    verified: Table | None
    verified_chart: Chart | None


def section(c: ClusterPlan, verified: Verification | None, zone: tzinfo) -> Cluster:
    """The cluster's part of the page. ``verified``: how its earlier forecasts came true, where any did."""
    models = [
        [s.model, "" if s.relative_error is None else f"{s.relative_error:.2f}", s.reason] for s in c.choice.scores
    ]
    return Cluster(
        c.name,
        _cards(c),
        [demand_chart(c, zone), plan_chart(c, zone)],
        _facts(c),
        c.statements,
        Table(("from", "instances"), [[when(f.starts_at, zone), str(f.instances)] for f in c.schedule], (1,)),
        # As machines read them: instants in UTC.
        Table(
            ("timestamp", "demand_q", "needed", "instances"),
            [[r.to_json()["timestamp"], f"{r.demand_q:.6g}", str(r.needed), str(r.instances)] for r in c.requirement],
        ),
        Table(("model", "error against the best seasonal naive", "verdict"), models, (1,)),
        Table(
            ("limit", "early (10 %)", "even chance", "late (90 %)", "why"),
            [[_words(r.limit), *_dates(r.p10, r.p50, r.p90), r.reason] for r in c.runways],
            (1, 2, 3),
        ),
        _types(c),
        _refused_types(c),
        _advice(c),
        None if c.replay is None else _replay(c.replay, c.cost.currency),
        c.replay_reason,
        None if c.replay is None else tradeoff_chart(c.name, c.replay),
        None if verified is None else _verified(verified),
        None if verified is None else verification_chart(c, verified, zone),
    )


def _cards(c: ClusterPlan) -> list[tuple[str, str, str]]:
    cost, runway = c.cost, c.runway
    instances = [f.instances for f in c.schedule]
    none = "not in the price table"
    peak = cost.static_peak_per_month
    return [
        ("Instances", of_to(min(instances), max(instances)), f"over {span(c)}, mean {cost.mean_instances:.1f}"),
        (
            "Cost a month",
            none if cost.per_month is None else money(cost.per_month, cost.currency),
            "" if peak is None else f"{money(peak, cost.currency)} at constant peak",
        ),
        (
            "Runway to size.max",
            runway.p50 or "no date",
            f"80 %: {runway.p10} to {runway.p90 or 'never'}" if runway.p10 else runway.reason,
        ),
        ("Forecast", _words(c.choice.model.split("(")[0]), c.choice.reason),
    ]


def _facts(c: ClusterPlan) -> list[tuple[str, str]]:
    rules, cost = c.rules, c.cost
    return [
        (f"Unit capacity at {rules.target_utilisation:.0%} utilisation", c.unit.told()),
        ("Survives", f"{rules.lost} of {rules.zones} zones lost, the rest then up to {rules.at_utilisation:.0%} busy"),
        ("Plans for", f"q{c.settings.quantile:g} of demand over a lead time of {c.settings.lead_minutes:g} minutes"),
        ("Headroom", f"{c.headroom:.0%} above the median demand in the tightest hours"),
        ("Above the floors", c.tracking.told()),
        ("Prices", f"{cost.instance} in {cost.region}, list prices of {cost.prices_dated}; instances only"),
    ]


def _dates(early: str | None, middle: str | None, late: str | None) -> list[str]:
    return ["no date", "", ""] if early is None else [early, middle or "never", late or "never"]


def _types(c: ClusterPlan) -> Table:
    """The types that fit, by regret."""
    choice = c.advice.instance
    fit = [
        [
            t.instance,
            f"{t.cost_per_month:,.0f}",
            f"{t.regret_per_month:,.0f} ± {t.error:,.0f}",
            of_to(t.instances_least, t.instances_most),
            f"cheapest in {t.best_share:.0%} of {choice.worlds:,} worlds",
        ]
        for t in choice.candidates[:_TYPES_SHOWN]
    ]
    return Table(("type", "cost a month", "regret", "instances", "worlds"), fit, (1, 2, 3))


def _refused_types(c: ClusterPlan) -> Table:
    """Each reason with the types that it keeps out."""
    by_reason: dict[str, list[str]] = {}
    for one in c.advice.instance.refused:
        by_reason.setdefault(one.reason, []).append(one.instance)
    return Table(("not considered", "types"), [[reason, ", ".join(types)] for reason, types in by_reason.items()])


def _advice(c: ClusterPlan) -> list[str]:
    out = [f"Instance type: {c.advice.instance.reason}."]
    for term in c.advice.purchase:
        saved = "" if term.saves_per_year is None else (
            f", which saves {money(term.saves_per_year, c.cost.currency)} a year"
            f" (80 %: {term.saves_low or 0:,.0f} to {term.saves_high or 0:,.0f})"
        )  # fmt: skip
        years = f"{term.years} year{'s' * (term.years > 1)}"
        out.append(f"Commit to {term.instances} more for {years}{saved}: {term.reason}. Nothing is bought.")
    if not c.advice.purchase:
        out.append(f"No purchase advice: {c.advice.purchase_reason}.")
    return out


def _replay(r: Replay, currency: str) -> Table:
    rows = []
    for way, told in _WAYS.items():
        o, enough = getattr(r, way), r.at_one_percent[way]
        rows.append(
            [
                told,
                f"{o.under_hours} ({o.under_share:.1%})",
                f"{o.over_provisioning:.0%}",
                "never" if enough is None else f"{enough:.0%}",
                f"{o.changes_per_day:.1f}",
                "" if o.cost_per_month is None else money(o.cost_per_month, currency),
            ]
        )
    if r.thrifty is not None:
        o, mix = r.thrifty.outcome, r.thrifty
        told = f"least surplus at 1 %: {mix.told}"
        cost = "" if o.cost_per_month is None else money(o.cost_per_month, currency)
        over = f"{o.over_provisioning:.0%}"
        rows.append([told, f"{o.under_hours} ({o.under_share:.1%})", over, over, f"{o.changes_per_day:.1f}", cost])
    heads = ("way", "hours short", "surplus", "surplus where 1 % of hours is short", "changes a day", "cost a month")
    return Table(heads, rows, (1, 2, 3, 4, 5))


def _verified(v: Verification) -> Table:
    heads = ("made before", "forecasts", "hours", "error", "bias", f"demand under q{v.quantile:g}")
    rows = [
        [
            lead.name,
            str(lead.forecasts),
            str(lead.hours),
            f"{lead.error:.1%}",
            f"{lead.bias:+.1%}",
            "made for another quantile" if lead.under is None else f"{lead.under:.1%}",
        ]
        for lead in v.leads
    ]
    return Table(heads, rows, (1, 2, 3, 4, 5))


def span(c: ClusterPlan) -> str:
    """How far the plan goes, in words."""
    hours = timedelta(minutes=c.forecast.interval_minutes * len(c.requirement)) / timedelta(hours=1)
    return f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} hours"


def money(amount: float, currency: str) -> str:
    """Whole units, with the sign that people know."""
    return f"{'$' if currency == 'USD' else currency + ' '}{amount:,.0f}"


def when(at: datetime, zone: tzinfo) -> str:
    """An instant as people of that zone write it."""
    return f"{at.astimezone(zone):%a %d %b %Y %H:%M %Z}"


def _words(name: str) -> str:
    return name.replace("_", " ")
