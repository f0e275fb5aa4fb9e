"""``ops provision``: from fleet.yaml to running clusters, and away again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import confirm, draw, emit, table
from quartermaster.cli.session import session

group = Group("provision", "Clusters, balancers, databases and backups from fleet.yaml, through Pulumi.")

CHANGES_FOUND = 3


@group.command("preview", example="ops provision preview --exit-code")
def preview(
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 when there are changes.")] = False,
) -> None:
    """Show what `up` would change, what it costs a month and what policy says. Changes nothing."""
    ops = session()
    found = ops.deployment().preview()
    emit(found.to_json(), _changes(found.to_json(), "would"))
    changes = found.to_json()["changes"]
    if exit_code and any(count for kind, count in changes.items() if kind != "same"):
        raise typer.Exit(CHANGES_FOUND)


@group.command("up", example="ops provision up --yes")
def up() -> None:
    """Make the account as fleet.yaml says: preview, policy, ask, apply, wait until the hosts serve."""
    from quartermaster.infra.settle import settle

    ops = session()
    ops.explain_interrupted("provision_up")
    ops.explain_interrupted("provision_destroy")
    with ops.run("provision_up", scopes=[ops.scope()]) as (run, lease):
        deployment = ops.deployment()
        # Before the preview: a killed run can leave a state that no preview can read.
        draw(run.record(lease.fenced(deployment.mend())))
        planned = deployment.preview()
        planned.refuse_blocked()
        confirm("Apply these changes?", plan=_changes(planned.to_json(), "would"))
        draw(run.record(lease.fenced(deployment.up())), quiet=True)
        draw(run.record(settle(ops.hosts, ops.fleet.clusters, ops.clock)))
        result = deployment.result.to_json()
        run.finish("done", result)
    emit(result, _changes(result, "did"))


@group.command("destroy", example="ops provision destroy --yes")
def destroy(
    include_protected: Annotated[
        bool, typer.Option("--include-protected", help="Also take what is protected: databases, backups.")
    ] = False,
    confirm_stack: Annotated[str, typer.Option("--confirm", help="Name of a protected stack, typed.")] = "",
) -> None:
    """Remove what `up` made; protected resources stay and are named."""
    ops = session()
    ops.typed_confirmation(confirm_stack)
    ops.explain_interrupted("provision_up")
    ops.explain_interrupted("provision_destroy")
    with ops.run("provision_destroy", scopes=[ops.scope()]) as (run, lease):
        deployment = ops.deployment()
        confirm(f"Remove everything of stack {ops.stack} ({ops.declared.target})?")
        draw(run.record(lease.fenced(deployment.destroy(include_protected=include_protected))), quiet=True)
        result = deployment.result.to_json()
        run.finish("done", result)
    emit(result, _changes(result, "did"))


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


def _changes(found: dict[str, Any], verb: str) -> str:
    changes = found["changes"]
    words = [f"{kind} {count}" for kind, count in changes.items() if count and kind != "same"]
    text = f"{verb} {', '.join(words)}" if words else "nothing to change"
    text += f" ({changes['same']} unchanged)" if changes.get("same") else ""
    cost = found.get("cost_per_month")
    if cost:
        text += f"\ncost per month: {cost['before']} → {cost['after']} {cost['currency']} (usage charges not included)"
        if cost["unknown"]:
            text += f"\n  without a price: {', '.join(cost['unknown'])}"
    findings = [(f["severity"], f["rule"], f["resource"], f["reason"], f["remedy"]) for f in found.get("policy", [])]
    if findings:
        text += "\n" + table(["severity", "rule", "resource", "why", "remedy"], findings, title="policy")
    for urn in found.get("kept", []):
        text += f"\nkept, as it is protected: {urn}"
    return text


__all__ = ["CHANGES_FOUND", "group"]
