"""``ops capacity``: what demand needs, hour by hour, and the change of fleet.yaml that provides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.forecast import Metrics, history
from quartermaster.cli.forecasts import plan_of_store
from quartermaster.cli.group import Group
from quartermaster.cli.lead import lead_measured
from quartermaster.cli.outfile import check_out, write_out
from quartermaster.cli.output import confirm, emit, folded, say, table, working
from quartermaster.cli.session import session
from quartermaster.cli.whatif import whatif
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.planner.apply import Change
    from quartermaster.planner.plan import CapacityPlan
    from quartermaster.planner.settings import Settings

group = Group("capacity", "Capacity plans: plan, apply, whatif, report.")

Unit = Annotated[
    float | None, typer.Option("--unit-capacity", help="Demand one instance carries at target utilisation.")
]


@group.command("plan", example="ops capacity plan --metrics requests.parquet --unit-capacity 40 --json")
def plan(metrics: Metrics = None, unit_capacity: Unit = None) -> None:
    """Instances needed per hour with the declared zones lost, the cheapest floors, cost, runway. Needs no cloud."""
    from quartermaster.planner.findings import found_lines

    found = _plan(metrics, unit_capacity)
    document = found.to_json()
    rows = []
    for name, item in document["clusters"].items():
        needed = [point["instances"] for point in item["requirement"]]
        cost = item["cost_per_month"]
        cost = "" if cost is None else f"{cost:,.0f} {item['cost']['currency']}"
        rows.append((name, f"{item['unit_capacity']:,.6g}", min(needed), max(needed), len(item["schedule"]), cost))
    text = table(["cluster", "#unit capacity", "#least", "#most", "#floors", "#cost/month"], rows)
    for name, item in document["clusters"].items():
        own, model = found.clusters[name], item["model"]
        learned = [f"unit capacity: {own.unit.told()}"] if own.unit.source == "learned" else []
        # What somebody has to act on comes first.
        lines = [*item["statements"], *learned, own.tracking.told(), *_advice(item)]
        lines.append(f"forecast by {model['model']}: {model['reason']}")
        text += f"\n{name}:\n" + "\n".join(folded(line) for line in lines)
    for refusal in document["refused"]:
        text += f"\nrefused: {refusal['name']}: {refusal['reason']}"
    text = f"{text}\n{found_lines(document['findings'])}".rstrip("\n")
    # What a file or a unit of one's own says of may be no cluster of this fleet.
    ours = metrics is None and unit_capacity is None and rows
    emit(document, text + ("\nnext: ops capacity apply" if ours else ""))


def _advice(item: Mapping[str, Any]) -> Iterator[str]:
    """Runways, what the replay came to, and advice, one line each."""
    for limit in item["runways"]:
        likely = limit["p50"] or "likely never"
        dates = f"{likely} (80 %: {limit['p10']} to {limit['p90'] or 'never'})" if limit["p10"] else "no date"
        yield f"runway to {limit['limit']}: {dates}: {limit['reason']}"
    replay = item["replay"]
    if replay is None:
        yield f"no replay: {item['replay_reason']}"
    else:
        for way in ("planner", "static_peak", "target_tracking", "predictive_scaling"):
            done = replay[way]
            yield (
                f"replay of {replay['days']} days, {way.replace('_', ' ')}: short in {done['under_share']:.1%} of "
                f"hours ({done['under_time']:.1%} of time), {done['over_provisioning']:.0%} more than needed"
            )
        if replay["thrifty"] is not None:
            mix = replay["thrifty"]
            held = mix["target_utilisation"]
            above = "no tracking" if held is None else f"tracking at {held:.0%} busy"
            yield (
                f"least that was short in at most 1% of hours: floors at q{mix['quantile']:g}, {above}: "
                f"{mix['outcome']['over_provisioning']:.0%} more than needed"
            )
    for term in item["purchase"]:
        years = f"{term['years']} year{'s' if term['years'] > 1 else ''}"
        yield f"commit for {years} to {term['instances']} more: {term['reason']}; nothing is bought"
    if not item["purchase"]:
        yield f"no purchase advice: {item['purchase_reason']}"
    yield f"instance type: {item['instance_choice']['reason']}"


@group.command("apply", example="ops capacity apply --yes")
def apply(metrics: Metrics = None, unit_capacity: Unit = None) -> None:
    """Write the plan's floors into fleet.yaml, shown first as a diff with its cost."""
    from quartermaster.planner.apply import propose, write

    ops = session()
    planned = _plan(metrics, unit_capacity)
    clusters = {name: item for name, item in planned.clusters.items() if name in ops.fleet.clusters}
    if not clusters:
        raise InputError(
            f"no series is the demand of a cluster ({', '.join(ops.fleet.clusters)})",
            remedy="ops metrics import FILE --as CLUSTER, or metrics.demand.CLUSTER.series in fleet.yaml",
        )
    changes = []
    for name, item in clusters.items():
        declared = ops.fleet.clusters[name]
        change = propose(
            item, declared, ops.fleet_file.read_text(encoding="utf-8"), ops.clock.now(), ops.fleet_file.name
        )
        shown = change.to_json()
        if not change.diff:
            say(f"{name}: fleet.yaml has these floors already")
            continue
        told = f"{change.diff}\n{_cost(change)}"
        confirm(f"Write these floors of {name} into {ops.fleet_file.name}?", plan=told)
        write(change, ops.fleet_file)
        changes.append(shown)
    document: dict[str, Any] = {"file": str(ops.fleet_file), "changes": changes}
    emit(document, f"wrote {ops.fleet_file}; next: ops provision up" if changes else "nothing to change")


@group.command("report", example="ops capacity report --metrics requests.parquet --unit-capacity 40 --out plan.html")
def report(
    metrics: Metrics = None,
    unit_capacity: Unit = None,
    out: Annotated[Path | None, typer.Option(help="HTML file to write; default: .ops/reports/capacity.html.")] = None,
) -> None:
    """Write the plan as one self-contained page: forecast, floors, cost, runways, replay, with the reasons."""
    from quartermaster.planner.report import ReportData, render

    ops = session()
    path = out or ops.workspace.folder("reports") / "capacity.html"
    check_out(path)
    found, now = _plan(metrics, unit_capacity), ops.clock.now()
    name, zone = (ops.fleet.fleet, ops.fleet.tz) if metrics is None else (metrics.stem, UTC)
    data = ReportData(name, "", "", now, found, zone=zone)
    write_out(path, render(data))
    emit({"file": str(path)}, f"wrote {path}")


def _plan(metrics: Path | None, unit: float | None) -> CapacityPlan:
    """The plan of ``--metrics`` or the store, by the fleet's settings where there is a fleet."""
    from quartermaster.planner.plan import plan as decide

    ops = session()
    if metrics is None and unit is None:
        found = plan_of_store(ops)
        if found is None:
            raise InputError("the store knows no cluster's demand", remedy="ops metrics import FILE --as CLUSTER")
        return found
    settings = settings_for(ops, metrics)
    # A file is planned from its own end; the store is this fleet's life, so its plan starts now.
    now = None if metrics is not None else ops.clock.now()
    with working("forecasting, planning, and replaying the plan on the past"):
        return decide(history(metrics), settings, unit=unit, now=now)


def settings_for(ops: Session, metrics: Path | None) -> dict[str, tuple[str, Settings]]:
    """The clusters' settings by demand series; none where there is no fleet and a file's series are planned alone."""
    from quartermaster.planner.settings import of_fleet

    try:
        # The books belong to a stack; a plan from a file asks for none.
        lead = {} if metrics is not None else lead_measured(ops.journal.runs("drill", stack=ops.stack))
        return of_fleet(ops.fleet, lead)
    except InputError as error:
        # Without a fleet.yaml the plan of a file goes by defaults; a broken one is refused as everywhere.
        if metrics is None or error.faults or ops.options.fleet is not None:
            raise
        return {}


def _cost(change: Change) -> str:
    if change.cost_after is None:
        return "cost per month: unknown, as its type has no price in its region (`ops prices update`)"
    before = "unknown" if change.cost_before is None else f"{change.cost_before:,.2f}"
    return f"cost per month: {before} → {change.cost_after:,.2f} {change.currency}"


group.command("whatif", example="ops capacity whatif --growth 20% --launch 5d:+30% --zones 4")(whatif)

__all__ = ["group", "settings_for"]
