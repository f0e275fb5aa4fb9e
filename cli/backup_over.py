"""``ops backup restore --over-original``: asked twice, the second time by what would be lost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from quartermaster.cli.options import options
from quartermaster.cli.output import confirm, draw, emit, say, table
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import StepFinished

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quartermaster.cli.session import Session
    from quartermaster.fleet.journal import Run, RunRow
    from quartermaster.runbooks.overwrite import Overwriting
    from quartermaster.runbooks.restorer import Restorer

__all__ = ["discard", "drop_replaced", "found_by", "restore_over"]


def restore_over(
    ops: Session,
    reached: Callable[[], Restorer],
    database: str,
    to: datetime | None,
    seed: str,
    again: str,
    *,
    poll: float,
) -> None:
    """Restore, ask again, and put what was restored in the original's place. Raises InputError when not confirmed.

    ``reached``: what restores, asked for after all that was typed is known to be right.
    """
    if seed:
        raise InputError("--random and --over-original exclude each other", remedy="--to, or neither for the newest")
    asks = sys.stdin.isatty() and not options().yes
    if again != database and (again or not asks):
        raise InputError(
            f"{database} is to be written over; a plain yes is not enough", remedy=f"--again {database}, too"
        )
    cut = {row.id for row in _cut_short(ops, database)}
    tool = reached()
    work = _overwriting(ops, tool, database, poll=poll)
    by = work.done_by() if cut else ""
    ended = by in cut
    if not ended:
        plan = work.plan(to)
        confirm(f"Restore {database}, to be asked again before its data are written over?", plan=plan.text)
    ops.explain_interrupted("backup")
    with ops.run("backup", subject=database, scopes=[ops.scope("database", database)]) as (record, lease):
        work = _overwriting(ops, tool, database, poll=poll, run=record.id)
        if not ended:
            draw(record.record(lease.fenced(work.prepare(plan))))
            lost = found_by(ops, record)["rows"]
            try:
                _second(database, lost, asked=bool(again))
            except BaseException:
                draw(record.record(lease.fenced(work.clear())))
                raise
            draw(record.record(lease.fenced(work.exchange(plan))))
        draw(record.record(lease.fenced(work.finish())))
        document = {"database": database, "run": record.id, **found_by(ops, record)}
        if ended:
            document["ended"] = by
        record.finish("done", document)
    text = (
        f"{by} had restored {database} over, and was cut short: what it left is done, and nothing else"
        if ended
        else f"{database} is restored over; what was there is {document['kept']}"
    )
    emit(document, f"{text}. When it is not needed any more: ops backup remove {database} --replaced")


def discard(ops: Session, tool: Restorer, database: str) -> None:
    """Remove what was restored beside the database and, by a run that was cut short, loaded beside it."""
    if any("--over-original" in str(row.inputs.get("arguments")) for row in _cut_short(ops, database)):
        _overwriting(ops, tool, database, poll=0).discard()
    else:
        tool.backups.remove(database)  # asks the database nothing: it may be past answering


def drop_replaced(ops: Session, tool: Restorer, database: str) -> None:
    """Drop what restores over the original replaced, after asking."""
    confirm(f"Drop for good what {database} had before it was restored over?")
    with ops.run("backup", subject=database, scopes=[ops.scope("database", database)]) as (record, _):
        gone = _overwriting(ops, tool, database, poll=0).drop_kept()
        record.finish("done", {"dropped": list(gone)})
    emit({"dropped": gone}, f"dropped: {', '.join(gone) or 'there was none'}")


def _cut_short(ops: Session, database: str) -> list[RunRow]:
    rows = ops.journal.runs("backup", stack=ops.stack, subject=database, states=("running",))
    return [row for row in rows if row.interrupted]


def _second(database: str, lost: dict[str, dict[str, int | None]], *, asked: bool) -> None:
    """Show what the restored data have less and more, and have the name typed. Raises InputError."""
    rows = [(name, *("none" if n is None else n for n in (one["now"], one["then"]))) for name, one in lost.items()]
    told = table(["table", "#rows now", "#rows then"], rows) if rows else "every table has as many rows as it had then"
    say(f"{told.rstrip()}\nRows that were changed since are lost, too, and not counted.")
    if asked:
        return
    import typer

    typed = typer.prompt(f"Type {database} to write its data over", default="", show_default=False, err=True)
    if typed != database:
        raise InputError("not confirmed; the database is as it was")


def found_by(ops: Session, record: Run) -> dict[str, Any]:
    """What the steps of a run found, all in one, and their seconds."""
    done = [item.event for item in ops.journal.events(record.id) if isinstance(item.event, StepFinished)]
    found: dict[str, Any] = {}
    for event in done:
        found |= dict(event.detail)
    return {**found, "seconds": round(sum(event.seconds for event in done), 3)}


def _overwriting(ops: Session, tool: Restorer, database: str, *, poll: float, run: str = "") -> Overwriting:
    from quartermaster.runbooks.overwrite import Overwriting

    return Overwriting(tool, ops.databases, database, ops.clock, run=run, poll=poll)
