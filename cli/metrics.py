"""``ops metrics``: the store of metric history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import emit, fields, table
from quartermaster.cli.session import session

group = Group("metrics", "Metric history: import, list, show.")


@group.command("import", example="ops metrics import requests.parquet --as web")
def import_(
    file: Annotated[Path, typer.Argument(help="Parquet or CSV: series_id, timestamp (UTC), value, unit.")],
    name: Annotated[str, typer.Option("--as", help="Name for the file's only series, e.g. the cluster's.")] = "",
    replay: Annotated[
        bool, typer.Option("--replay", help="Shift by whole weeks so that the history ends now (demonstrations).")
    ] = False,
) -> None:
    """Add a file's rows to the store; importing it twice adds nothing."""
    from quartermaster.planner.store import import_file

    ops = session()
    until = ops.clock.now() if replay else None
    report = import_file(file, ops.workspace.folder("metrics"), rename=name, until=until)
    rows = [(s.series, s.unit, s.rows, s.added, s.changed, s.repeated) for s in report.series]
    text = table(["series", "unit", "#rows", "#added", "#changed", "#repeated"], rows)
    emit(report.to_json(), text + (f"\n{report.note}" if report.note else ""))


@group.command("list", example="ops metrics list")
def list_() -> None:
    """List the series in the store."""
    from quartermaster.planner.store import list_series

    found = list_series(session().workspace.folder("metrics"))
    rows = [(s.series, s.unit, s.readings, s.first, s.last, f"{s.interval_seconds:.0f} s") for s in found]
    text = table(["series", "unit", "#readings", "first", "last", "#every"], rows)
    emit({"series": [s.to_json() for s in found]}, text if rows else "the store holds no metrics (ops metrics import)")


@group.command("show", example="ops metrics show web")
def show(series: Annotated[str, typer.Argument(help="As `ops metrics list` names it.")]) -> None:
    """Show one series: extent, quantiles, and what cleaning finds in it."""
    from quartermaster.planner.store import show as read

    found = read(session().workspace.folder("metrics"), series)
    shown = {name: value for name, value in found.items() if name not in ("value", "findings")}
    shown.update({name: f"{value:.6g}" for name, value in found["value"].items() if value is not None})
    text = fields(shown)
    for finding in found["findings"]:
        text += f"\nfound at {finding['where']}: {finding['detail']} ({finding['remedy']})"
    emit(found, text)


__all__ = ["group"]
