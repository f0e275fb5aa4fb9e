"""``ops provision``: from fleet.yaml to running clusters, and away again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli.errors import FOUND
from quartermaster.cli.group import Confirm, Group
from quartermaster.cli.outfile import check_out
from quartermaster.cli.output import confirm, draw, emit, table
from quartermaster.cli.provision_plan import cost_text, plan_text, summary
from quartermaster.cli.session import Session, session

__all__ = ["group"]

group = Group("provision", "Clusters, balancers, databases and backups from fleet.yaml, through Pulumi.")


@group.command("preview", example="ops provision preview --exit-code")
def preview(
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 when there are changes.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also show what stays as it is.")] = False,
    save: Annotated[Path | None, typer.Option("--save", help="Write the plan to a file, for `up --plan`.")] = None,
) -> None:
    """Show what `up` would change, what it costs a month and what policy says. Changes nothing."""
    ops = session()
    check_out(save, "--save")
    deployment = ops.deployment()
    found = deployment.preview()
    if save is not None:
        from quartermaster.infra.saved_plan import write_plan

        basis = deployment.basis()
        write_plan(save, found, basis, fleet=ops.fleet.fleet, stack=ops.stack, now=ops.clock.now())
    document = found.to_json(everything=everything)
    emit(document, plan_text(found, _title(ops), everything=everything))
    if exit_code and any(count for kind, count in document["changes"].items() if kind != "same"):
        raise typer.Exit(FOUND)


@group.command("up", example="ops provision up --yes")
def up(
    plan: Annotated[Path | None, typer.Option("--plan", help="Carry out this saved plan, or nothing.")] = None,
) -> None:
    """Make the account as fleet.yaml says: preview, policy, ask, apply, wait until the hosts serve."""
    from quartermaster.infra.saved_plan import read_plan, refuse_moved, refuse_other
    from quartermaster.infra.settle import settle

    ops = session()
    saved = read_plan(plan) if plan is not None else None
    _ = ops.bundle  # what is wrong with roles is told before a run begins, and before a cloud does
    ops.explain_interrupted("provision_up", "provision_destroy")
    with ops.run("provision_up", scopes=[ops.scope()]) as (run, lease):
        deployment = ops.deployment()
        if saved is not None:
            # Before mending, which changes the state.
            refuse_moved(saved, deployment.basis(), fleet=ops.fleet.fleet, stack=ops.stack)
        # Before the preview: a killed run can leave a state that no preview can read.
        draw(run.record(lease.fenced(deployment.mend())))
        planned = deployment.preview()
        if saved is not None:
            refuse_other(saved, planned)
        planned.refuse_blocked()
        confirm("Apply these changes?", plan=plan_text(planned, _title(ops), stream=sys.stderr))
        draw(run.record(lease.fenced(deployment.up())), quiet=True)
        draw(run.record(settle(ops.hosts, ops.fleet.clusters, ops.clock)))
        result = deployment.result.to_json()
        run.finish("done", result)
    emit(result, summary(result, "did"))


@group.command("cost", example="ops provision cost")
def cost() -> None:
    """Show what each resource costs a month, before and after `up`, and what the figures leave out."""
    found = session().deployment().preview().to_json()["cost_per_month"]
    emit(found, cost_text(found))


@group.command("destroy", example="ops provision destroy --yes")
def destroy(
    include_protected: Annotated[
        bool, typer.Option("--include-protected", help="Also take what is protected: databases, backups.")
    ] = False,
    confirm_stack: Confirm = "",
) -> None:
    """Remove what `up` made; protected resources stay and are named."""
    ops = session()
    ops.typed_confirmation(confirm_stack)
    ops.explain_interrupted("provision_up", "provision_destroy")
    with ops.run("provision_destroy", scopes=[ops.scope()]) as (run, lease):
        deployment = ops.deployment()
        confirm(f"Remove everything of stack {ops.stack} ({ops.declared.target})?")
        draw(run.record(lease.fenced(deployment.destroy(include_protected=include_protected))), quiet=True)
        result = deployment.result.to_json()
        run.finish("done", result)
    emit(result, summary(result, "did"))


@group.command("outputs", example="ops provision outputs --json")
def outputs() -> None:
    """Show where clusters and databases answer."""
    found = session().deployment().outputs()
    rows = [(name, item["url"], len(item["hosts"])) for name, item in found["clusters"].items()]
    text = table(["cluster", "url", "#hosts"], rows)
    if found["databases"]:
        places = [(name, item["host"], item["port"]) for name, item in found["databases"].items()]
        text += "\n" + table(["database", "host", "#port"], places)
    for item in found.get("substituted", []):
        text += f"\nsubstituted here: {item['what']}: asked {item['asked']}, used {item['used']}"
    emit(found, text)


def _title(ops: Session) -> str:
    return f"{ops.fleet.fleet} {ops.stack} ({ops.declared.target})"
