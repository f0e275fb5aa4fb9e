"""``ops configure``: publish the role bundle and converge the running hosts; with --check, tell what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.errors import FOUND, render
from quartermaster.cli.output import draw, emit, say, table
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError, OpsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quartermaster.cli.session import Session
    from quartermaster.playbooks.configure import ConfigurePlan, ConfigureResult

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("configure", epilog="Example: ops configure web --check")(configure)


def configure(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[CLUSTER|HOST]...", help="Only these; default: all.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Show what differs on hosts and in the cloud; change nothing.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="With --check: exit 3 when there is drift.")] = False,
) -> None:
    """Converge running hosts on their roles; a second run reports no change. New hosts take the same bundle at boot."""
    from quartermaster.cli.configure_check import check as look

    if exit_code and not check:
        raise InputError("--exit-code tells whether there is drift", remedy="ops configure --check --exit-code")
    ops = session()
    plan = _plan(ops, targets or [], check=check)
    if not check:
        _say_failures(_converge(ops, plan), "did not converge")
        return
    report = look(ops, plan, whole=not targets)
    emit(report.to_json(), report.text())
    _say_failures(report.hosts, "could not be checked")
    if exit_code and report.drifted:
        raise typer.Exit(FOUND)


def _plan(ops: Session, targets: Sequence[str], *, check: bool) -> ConfigurePlan:
    from quartermaster.cli.ssh import inventory, stack_bucket
    from quartermaster.playbooks import configure as work

    found = inventory(ops, [ops.hosts.group(name) for name in ops.fleet.clusters])
    return work.plan(found.only(targets) if targets else found, ops.bundle, bucket=stack_bucket(ops)[0], check=check)


def _converge(ops: Session, plan: ConfigurePlan) -> ConfigureResult:
    from quartermaster.playbooks import configure as work

    # A patch cycle holds its cluster too: the two never work on the same hosts.
    clusters = sorted({target.cluster for target in plan.inventory.targets})
    with ops.run("configure", scopes=[ops.scope("cluster", name) for name in clusters]) as (run, lease):
        steps = work.apply(plan, cache=ops.workspace.folder("cache"), s3=ops.cloud.client("s3"), run=run.id)
        draw(run.record(lease.fenced(steps)))
        result = work.outcome(item.event for item in ops.journal.events(run.id))
        run.finish("failed" if result.failed else "done", result.to_json())
    rows = [
        (host.id, host.zone, host.changed, f"{host.seconds:.1f} s", host.reason, host.error) for host in result.hosts
    ]
    text = table(["host", "zone", "#changed", "#took", "reason", "error"], rows)
    for name, why in plan.inventory.left_out.items():
        text += f"left out: {name}: {why}\n"
    emit({**result.to_json(), "left_out": dict(plan.inventory.left_out)}, text)
    return result


def _say_failures(result: ConfigureResult, what: str) -> None:
    if result.failed:
        names = ", ".join(f"{host.id} ({host.reason})" for host in result.failed)
        remedies = "; ".join(dict.fromkeys(host.remedy for host in result.failed if host.remedy))
        # Not raised: with --json the result is the one document.
        say(render(OpsError(f"{len(result.failed)} of {len(result.hosts)} hosts {what}: {names}", remedy=remedies)))
        raise typer.Exit(1)
