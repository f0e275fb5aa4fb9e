"""``ops capacity``: what demand needs, hour by hour, and the change of fleet.yaml that provides it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.forecast import Metrics, history
from quartermaster.cli.forecasts import plan_of_store
from quartermaster.cli.group import Group
from quartermaster.cli.output import confirm, emit, say, table, working
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.planner.plan import CapacityPlan

group = Group("capacity", "Capacity plans: plan, apply.")

Unit = Annotated[
    float | None, typer.Option("--unit-capacity", help="Demand one instance carries at target utilisation.")
]


@group.command("plan", example="ops capacity plan --metrics requests.parquet --unit-capacity 40 --json")
def plan(metrics: Metrics = None, unit_capacity: Unit = None) -> None:
    """Instances needed per hour with the declared zones lost, the cheapest floors, cost, runway. Needs no cloud."""
    found = _plan(metrics, unit_capacity)
    document = found.to_json()
    rows = []
    for name, item in document["clusters"].items():
        needed = [point["instances"] for point in item["requirement"]]
        cost = item["cost_per_month"]
        rows.append((name, f"{item['unit_capacity']:.6g}", min(needed), max(needed), len(item["schedule"]), cost))
    text = table(["cluster", "#unit capacity", "#least", "#most", "#floors", "#cost/month"], rows)
    for name, item in document["clusters"].items():
        text += f"\n{name}: {item['model']['model']}: {item['model']['reason']}"
        text += "".join(f"\n  {statement}" for statement in item["statements"])
    for refusal in document["refused"]:
        text += f"\nrefused: {refusal['name']}: {refusal['reason']}"
    emit(document, text)


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
        cost = shown["cost_per_month"]
        told = f"{change.diff}\ncost per month: {cost['before']} → {cost['after']} {cost['currency']}"
        confirm(f"Write these floors of {name} into {ops.fleet_file.name}?", plan=told)
        write(change, ops.fleet_file)
        changes.append(shown)
    document: dict[str, Any] = {"file": str(ops.fleet_file), "changes": changes}
    emit(document, f"wrote {ops.fleet_file}; next: ops provision up" if changes else "nothing to change")


def _plan(metrics: Path | None, unit: float | None) -> CapacityPlan:
    """The plan of ``--metrics`` or the store, by the fleet's settings where there is a fleet."""
    from quartermaster.planner.plan import plan as decide
    from quartermaster.planner.settings import of_fleet

    ops = session()
    if metrics is None and unit is None:
        found = plan_of_store(ops)
        if found is None:
            raise InputError("the store knows no cluster's demand", remedy="ops metrics import FILE --as CLUSTER")
        return found
    try:
        settings = of_fleet(ops.fleet)
    except InputError as error:
        # Without a fleet.yaml the plan of a file goes by defaults; a broken one is refused as everywhere.
        if metrics is None or error.faults or ops.options.fleet is not None:
            raise
        settings = {}
    # A file is planned from its own end; the store is this fleet's life, so its plan starts now.
    now = None if metrics is not None else ops.clock.now()
    with working("forecasting, planning, and replaying the plan on the past"):
        return decide(history(metrics), settings, unit=unit, now=now)


__all__ = ["group"]
