"""``ops provision drift|refresh|graph``: the stack and the world it stands in, looked at side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.errors import FOUND
from quartermaster.cli.group import Group
from quartermaster.cli.outfile import check_out, write_out
from quartermaster.cli.output import confirm, draw, emit, table, working
from quartermaster.cli.session import session

if TYPE_CHECKING:
    from quartermaster.infra.drift import DriftReport

__all__ = ["attach", "drift_table"]

_SHOWN = 60
"""Characters of a value in a table; --json has the whole."""


def attach(group: Group) -> None:
    """Put the commands into their group."""
    group.command("drift", example="ops provision drift --exit-code")(drift)
    group.command("refresh", example="ops provision refresh")(refresh)
    group.command("graph", example="ops provision graph --out stack.svg")(graph)


def drift(
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 when there is drift.")] = False,
) -> None:
    """Show what was changed by others than ops, property by property. Changes nothing."""
    from quartermaster.cli.status_facts import DRIFT_RUN

    ops = session()
    deployment = ops.deployment()
    with working("reading the cloud"):
        found = deployment.drift()
    # No lease and no step, as nothing is changed: `ops status` tells when someone looked last.
    ops.journal.start(DRIFT_RUN, stack=ops.stack).finish("done", found.to_json())
    emit(found.to_json(), drift_table(found))
    if exit_code and found.drift:
        raise typer.Exit(FOUND)


def refresh() -> None:
    """Take the cloud as it is into the state: show what changed, ask, write. The cloud stays as it is."""
    ops = session()
    with ops.run("provision_refresh", scopes=[ops.scope()]) as (run, lease):
        deployment = ops.deployment()
        draw(run.record(lease.fenced(deployment.mend())))
        with working("reading the cloud"):
            found = deployment.drift()
        if found.drift or found.ignored:
            confirm("Take this into the state? The next `up` would change it back.", plan=drift_table(found))
            draw(run.record(lease.fenced(deployment.refresh())), quiet=True)
        run.finish("done", found.to_json())
    taken = len(found.drift) + len(found.ignored)
    emit(found.to_json(), f"took {taken} properties into the state" if taken else "the state is as the cloud")


def graph(
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default: stdout.")] = None,
) -> None:
    """Draw the stack as SVG: components as boxes, what each needs as arrows."""
    ops = session()
    check_out(out)
    drawn = ops.deployment().graph()
    if out is None:
        emit({"svg": drawn}, drawn)
        return
    write_out(out, drawn)
    emit({"file": str(out)}, f"wrote {out}")


def drift_table(found: DriftReport) -> str:
    """Cloud drift as a table for a person."""
    rows = [
        (item.urn.rsplit("::", 1)[-1], item.urn.split("::")[2].rsplit(":", 1)[-1], item.property or "(itself)",
         _short(item.expected), _short(item.found))
        for item in found.drift
    ]  # fmt: skip
    text = table(["resource", "type", "property", "expected", "found"], rows) if rows else "no drift"
    for item in found.ignored:
        text += f"\nignored: {item.urn.rsplit('::', 1)[-1]} {item.property}: {item.why}"
    return text


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
