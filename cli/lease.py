"""``ops lease``: who holds which failure domain."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import confirm, emit, table
from quartermaster.cli.session import session

__all__ = ["group"]

group = Group("lease", "See and break leases on stacks, clusters and zones.")


@group.command("list", example="ops lease list")
def list_() -> None:
    """List the leases that bind now."""
    held = session().leases.held()
    rows = [(r.scope, r.run, f"{r.owner}@{r.host}", r.pid, f"{r.heartbeat_at:%H:%M:%S}") for r in held]
    text = table(["scope", "run", "owner", "#pid", "heartbeat (UTC)"], rows) if rows else "no leases held"
    emit({"leases": [dataclasses.asdict(row) for row in held]}, text)


@group.command("break", example="ops lease break dev/cluster/web --reason 'laptop lost'")
def break_(
    scope: Annotated[str, typer.Argument(help="Scope as `ops lease list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why it is safe; kept in the store.")],
) -> None:
    """End a lease by hand. Its owner stops before its next act."""
    confirm(f"Break every lease that overlaps with {scope}?")
    broken = session().leases.break_scope(scope, reason=reason)
    emit({"broken": [row.scope for row in broken]}, f"broken: {', '.join(r.scope for r in broken) or 'none held'}")
