"""``ops pulumi``: the other way in, plain ``pulumi`` on the same program and state."""

from __future__ import annotations

from typing import Annotated

import typer

from quartermaster.cli.session import session

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pulumi", epilog="Example: ops pulumi -- preview --diff")(_pulumi)


def _pulumi(arguments: Annotated[list[str], typer.Argument(help="Arguments for pulumi, after --.")]) -> None:
    """Run plain pulumi on this stack: backend, secrets, program and, on the local cloud, the provider are set.

    Policy rules, leases and the journal are those of `ops provision`: this way passes them by.
    """
    from quartermaster.infra.plain import project, run

    ops = session()
    folder = project(ops.workspace, ops.fleet.fleet)
    with ops.deployment().environment() as environment:
        status = run(arguments, folder=folder, stack=ops.stack, fleet_file=ops.fleet_file, environment=environment)
    raise typer.Exit(status)
