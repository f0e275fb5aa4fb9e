"""``ops history``: what was done, by whom, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.output import emit, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError, OpsError

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow

__all__ = ["register", "state_of"]


def register(app: typer.Typer) -> None:
    app.command("history", epilog="Example: ops history patch-20261120T093000-1f2e")(history)


def history(
    run: Annotated[str, typer.Argument(help="A run's id: show its events; default: list the runs.")] = "",
) -> None:
    """List the runs of this fleet, newest first, or show one run's events as the journal holds them."""
    ops = session()
    broken = ops.journal.broken_at()
    if broken is not None:
        raise OpsError(
            f"the journal was edited: line {broken.line}: {broken.why}",
            remedy="restore .ops/ops.db from a copy; what came before that line is intact",
        )
    if run:
        _show(ops, run)
        return
    rows = ops.journal.runs()
    shown = [
        (row.id, row.stack, row.subject, state_of(row), f"{row.started_at:%Y-%m-%d %H:%M}", row.owner) for row in rows
    ]
    text = table(["run", "stack", "of", "state", "started (UTC)", "by"], shown) if shown else "no runs yet"
    emit(
        {"runs": [{"id": row.id, "kind": row.kind, "state": state_of(row), "result": row.result} for row in rows]}, text
    )


def state_of(row: RunRow) -> str:
    """The run's state, *interrupted* when its process is gone."""
    return "interrupted" if row.interrupted else row.state


def _show(ops: Session, run_id: str) -> None:
    try:
        row = ops.journal.run(run_id)
    except KeyError as exc:
        raise InputError(f"no run {run_id!r} in the journal", remedy="ops history lists them") from exc
    recorded = ops.journal.events(row.id)
    rows = [
        (f"{item.at:%H:%M:%S}", item.event.kind, item.event.title or item.event.step, item.event.host, item.hash[:8])
        for item in recorded
    ]
    from quartermaster.fleet.events import to_record

    emit(
        {
            "id": row.id,
            "state": state_of(row),
            "result": row.result,
            "events": [{"at": item.at, "hash": item.hash, **to_record(item.event)} for item in recorded],
        },
        table(["at (UTC)", "event", "step", "host", "hash"], rows, title=f"{row.id}: {state_of(row)}"),
    )
