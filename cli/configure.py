"""``ops configure``: publish the role bundle and converge the running hosts."""

from __future__ import annotations

from typing import Annotated

import typer

from quartermaster.cli.output import draw, emit, table
from quartermaster.cli.session import session
from quartermaster.fleet.errors import OpsError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("configure", epilog="Example: ops configure --check")(configure)


def configure(
    check: Annotated[bool, typer.Option("--check", help="Show what would change; change nothing.")] = False,
) -> None:
    """Converge every running host on its role; a second run reports no change."""
    from quartermaster.cli.ssh import inventory, stack_bucket
    from quartermaster.playbooks import configure as work
    from quartermaster.playbooks.bundle import build

    ops = session()
    groups = [ops.hosts.group(name) for name in ops.fleet.clusters]
    plan = work.plan(
        inventory(ops, groups),
        build(ops.fleet, ops.fleet_file.parent),
        bucket=stack_bucket(ops)[0],
        check=check,
    )
    scopes = [ops.scope("cluster", name) for name in ops.fleet.clusters]
    with ops.run("configure", scopes=scopes) as (run, lease):
        steps = work.apply(plan, cache=ops.workspace.folder("cache"), s3=ops.cloud.client("s3"), run=run.id)
        draw(run.record(lease.fenced(steps)))
        result = work.outcome(item.event for item in ops.journal.events(run.id))
        run.finish("failed" if result.failed else "done", result.to_json())
    rows = [(host.id, host.zone, host.changed, f"{host.seconds:.1f} s", host.error) for host in result.hosts]
    text = table(["host", "zone", "#changed", "#took", "error"], rows)
    for host, why in plan.inventory.left_out.items():
        text += f"left out: {host}: {why}\n"
    emit(result.to_json(), text)
    if result.failed:
        names = ", ".join(host.id for host in result.failed)
        raise OpsError(f"{len(result.failed)} of {len(result.hosts)} hosts did not converge: {names}")
