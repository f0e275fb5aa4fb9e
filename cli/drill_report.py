"""``ops drill report``: the evidence, with every number traced to the journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.outfile import write_out
from quartermaster.cli.output import emit
from quartermaster.cli.session import Session, session

if TYPE_CHECKING:
    from quartermaster.cli.group import Group
    from quartermaster.runbooks.report import Books

__all__ = ["attach", "books"]


def attach(group: Group) -> None:
    """Add the command to ``ops drill``."""
    group.command("report", example="ops drill report --out drills.html")(report)


def report(
    out: Annotated[Path | None, typer.Option(help="HTML file to write; default: .ops/reports/drills.html.")] = None,
) -> None:
    """Write what the drills of this stack proved: objectives, trend, claims, what changed, what is overdue."""
    from quartermaster.runbooks.report import report as made
    from quartermaster.runbooks.report_page import render_report

    ops = session()
    document = made(books(ops))
    path = out or ops.workspace.folder("reports") / "drills.html"
    write_out(path, render_report(document, ops.fleet.tz))
    late, edited = len(document["overdue"]), not document["journal"]["intact"]
    text = f"wrote {path}: {len(document['drills'])} drills, {late} overdue"
    emit({**document, "file": str(path)}, text + ("; THE JOURNAL WAS EDITED: ops history verify" if edited else ""))


def books(ops: Session) -> Books:
    """What journal and fleet.yaml hold of the session's stack. Read-only."""
    from quartermaster.runbooks.drill import RUN_KIND
    from quartermaster.runbooks.report import Books, Drilled

    ended = [row for row in reversed(ops.journal.runs(RUN_KIND, stack=ops.stack)) if row.result]
    count, head = ops.journal.head()
    return Books(
        fleet=ops.fleet,
        stack=ops.stack,
        fleet_hash=ops.fleet_sha256,
        now=ops.clock.now(),
        drills=[Drilled(row, tuple(ops.journal.lines(row.id))) for row in ended],
        lines=count,
        head=head,
        broken=ops.journal.broken_at(),
    )
