"""The tree of commands."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import typer

from quartermaster.cli import (
    adopt,
    backup,
    bootstrap,
    capacity,
    configure,
    demo,
    drill,
    drill_lint,
    drill_report,
    fleetfile,
    forecast,
    history,
    iam,
    lease,
    local,
    machine,
    metrics,
    notify,
    patch,
    patch_control,
    patch_report,
    policy,
    prices,
    provision,
    provision_world,
    pulumi,
    rehearse,
    report,
    runbook,
    schedule,
    scheduler,
    serve,
    status,
)
from quartermaster.cli.group import Root
from quartermaster.cli.options import OPTIONS

__all__ = ["build"]


@functools.cache
def build() -> Any:
    """The whole command line; made once, as that takes longer than most commands."""
    app = typer.Typer(
        name="ops",
        cls=Root,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Boxes and colours in help would cost 0.3 s of imports.
        rich_markup_mode=None,
        context_settings={"max_content_width": 120},
        epilog="Example: ops init && ops validate && ops provision preview",
        callback=_root,
    )
    for module in (fleetfile, adopt, machine, status, configure, report, serve, demo, pulumi, bootstrap):
        module.register(app)
    provision_world.attach(provision.group)
    patch_control.attach(patch.group)
    patch_report.attach(patch.group)
    drill_lint.attach(drill.group)
    drill_report.attach(drill.group)
    for group in (
        provision.group,
        prices.group,
        policy.group,
        patch.group,
        metrics.group,
        forecast.group,
        capacity.group,
        backup.group,
        drill.group,
        history.group,
        runbook.group,
        schedule.group,
        scheduler.group,
        local.group,
        lease.group,
        notify.group,
        rehearse.group,
        iam.group,
    ):
        app.add_typer(group.app)
    return typer.main.get_command(app)


def _root(
    fleet: Annotated[
        Path | None, typer.Option("--fleet", help="fleet.yaml or its folder; default: here or above.")
    ] = None,
    stack: Annotated[str | None, typer.Option("--stack", help="Stack; default: the only one, else dev.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> Any:
    """Run the yearly life of a fleet on AWS from one fleet.yaml: provision, configure, patch, plan, drill.

    Common options stand before or after the subcommand.
    """
    del version  # answered by main.run before anything is imported
    OPTIONS.fleet, OPTIONS.stack, OPTIONS.json, OPTIONS.yes, OPTIONS.debug = fleet, stack, json, yes, debug
