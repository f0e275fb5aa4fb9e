"""``ops report``: one page for the people who pay and the people on call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli.outfile import check_out, write_out
from quartermaster.cli.output import emit
from quartermaster.cli.session import session

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("report", epilog="Example: ops report --out fleet.html")(report)


def report(
    out: Annotated[Path | None, typer.Option(help="HTML file to write; default: .ops/reports/report.html.")] = None,
) -> None:
    """Write one self-contained page: forecast, plan, cost, calendar, patches and drills."""
    from quartermaster.cli.report_data import gather
    from quartermaster.planner.report import render

    ops = session()
    path = out or ops.workspace.folder("reports") / "report.html"
    check_out(path)
    write_out(path, render(gather(ops)))
    emit({"file": str(path)}, f"wrote {path}")
