"""``ops history``: what was done, by whom, and what it came to; taken out and proven unedited."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.group import Group, Listed
from quartermaster.cli.instants import instant
from quartermaster.cli.outfile import check_out, writing
from quartermaster.cli.output import emit, room, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError, OpsError

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow

__all__ = ["group", "mend", "state_of"]


_ABOUT = 2
"""Lines of a file that tell of the file."""
_MENDS = {
    "patch": "ops patch resume {subject}, or ops patch recover {subject}",
    "drill": "ops drill recover",
    "runbook": "ops runbook run --resume {run}",
    "provision": "ops provision up",
    "configure": "ops configure",
}
"""What goes on with a run that was cut short, by its kind."""


class _History(Listed):
    """Without a command the runs are listed; a word that is none is a run."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = ["list", *args]
        elif args[0] not in self.commands and args[0] != "--help":
            args = ["show", *args]
        return super().parse_args(ctx, args)


group = Group("history", "What was done: list runs and events, show a run, export, verify.", cls=_History)
Since = Annotated[
    str, typer.Option(help="From then on: a date (2026-11-01), an instant, or a span before now (30d, 12h, 90m).")
]
Until = Annotated[str, typer.Option(help="Up to then: as for --since.")]
Host = Annotated[str, typer.Option(help="Events about this host only.")]


@group.command("list", example="ops history list --kind drill --since 30d")
def list_(
    kind: Annotated[str, typer.Option(help="Runs of this kind only, such as patch or drill.")] = "",
    since: Since = "",
    until: Until = "",
    host: Host = "",
    events: Annotated[bool, typer.Option("--events", help="List events rather than runs; so does --host.")] = False,
) -> None:
    """List runs, newest first, or with --events or --host the events of all runs. `ops history` alone does this too."""
    ops = session()
    begin, end = _span(ops, since, until)
    if events or host:
        _events(ops, kind, begin, end, host)
        return
    rows = ops.journal.runs(kind, since=begin, until=end)
    # On 80 columns: an id says the year, and the stack is told where there are several.
    several = len({row.stack for row in rows}) > 1
    shown = [
        (
            *([row.id, row.stack] if several else [row.id]),
            *(row.subject.replace("_", " "), state_of(row), f"{row.started_at:%d %b %H:%M}", row.owner),
        )
        for row in rows
    ]
    columns = ["run", *(["stack"] if several else []), "of", "state", "at (UTC)", "by"]
    text = table(columns, shown) if shown else "no runs"
    document = [
        {
            "id": row.id, "kind": row.kind, "stack": row.stack, "subject": row.subject, "state": state_of(row),
            "started_at": row.started_at.isoformat(), "ended_at": row.ended_at and row.ended_at.isoformat(),
            "owner": row.owner, "result": row.result,
        }
        for row in rows
    ]  # fmt: skip
    emit({"runs": document}, text)


@group.command("show", example="ops history show patch-20261120T093000-1f2e")
def show(
    run: Annotated[str, typer.Argument(help="A run's id, as the list has it.")],
    events: Annotated[
        bool, typer.Option("--events", help="Every event with its hash, rather than a timeline.")
    ] = False,
) -> None:
    """Show one run as a timeline. `ops history RUN` does this too."""
    from quartermaster.cli.timeline import COLUMNS, bars, drawn
    from quartermaster.fleet.chain import broken
    from quartermaster.fleet.events import to_record

    ops = session()
    row = _run(ops, run)
    edited = next((line.seq for line in ops.journal.lines(run) if broken([line], prior=None)), None)
    if edited is not None:
        raise OpsError(f"line {edited} of {run} was edited: its hash is of something else", remedy="ops history verify")
    recorded = ops.journal.events(run)
    head = _told(row)
    if events:
        lines = [
            (item.seq, f"{item.at:%H:%M:%S}", item.event.kind, item.event.title or item.event.step, item.event.host,
             item.hash[:8])
            for item in recorded
        ]  # fmt: skip
        text = table(["#line", "at (UTC)", "event", "step", "host", "hash"], lines)
    else:
        shown = bars(recorded, ops.journal.taken_up(run), over=state_of(row) != "running")
        text = table(COLUMNS, drawn(shown, room()))
    document = [{"seq": item.seq, "at": item.at, "hash": item.hash, **to_record(item.event)} for item in recorded]
    emit({"id": row.id, "state": state_of(row), "result": row.result, "events": document}, head + text)


@group.command("export", example="ops history export drill-20261120T093000-1f2e --out drill.jsonl")
def export(
    run: Annotated[str, typer.Argument(help="A run's id; default: the whole journal.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
) -> None:
    """Write the journal as JSON Lines with its hash chain; of one run with the hashes of what lies between."""
    from quartermaster.fleet.chain import to_file

    ops = session()
    if run:
        _run(ops, run)
    rows = to_file(ops.journal.lines(run, between=True), run=run)
    if out is None:
        sys.stdout.writelines(rows)
        return
    check_out(out)
    with writing(out), out.open("w", encoding="utf-8") as file:
        count = sum(1 for row in rows if file.write(row)) - _ABOUT
    emit({"file": str(out), "lines": count}, f"wrote {count} lines to {out}")


@group.command("verify", example="ops history verify drill.jsonl")
def verify(
    file: Annotated[Path | None, typer.Argument(help="An exported file; default: the journal itself.")] = None,
) -> None:
    """Prove that no line of the journal, or of a file of it, was edited, removed or moved; else name it and exit 1."""
    if file is None:
        ops = session()
        broken = ops.journal.broken_at()
        if broken is not None:
            raise OpsError(
                f"the journal is not as it was written: line {broken.line}: {broken.why}",
                remedy="restore it from a copy; what came before that line is intact",
            )
        count, _ = ops.journal.head()
        emit({"file": None, "lines": count, "intact": True}, f"the journal is intact: {count} lines follow one another")
        return
    from quartermaster.fleet.chain import check_file

    try:
        with file.open(encoding="utf-8") as lines:
            head, broken = check_file(lines)
    except (OSError, ValueError) as exc:
        raise InputError(f"{file} is no exported journal: {exc}", remedy="ops history export --out FILE") from exc
    if broken is not None:
        raise OpsError(f"{file}:{broken.line}: {broken.why}", remedy="export it anew, and ask who changed this one")
    document = {"file": str(file), "run": head["run"], "lines": head["lines"], "intact": True, "hash": head["hash"]}
    emit(document, f"{file} is intact: {head['lines']} lines follow one another, the last is {head['hash'][:12]}")


def state_of(row: RunRow) -> str:
    """The run's state, *interrupted* when its process is gone."""
    return "interrupted" if row.interrupted else row.state


def mend(row: RunRow) -> str:
    """What goes on with a run that was cut short; empty where nothing has to."""
    return _MENDS.get(row.kind.partition("_")[0], "").format(subject=row.subject, run=row.id)


def _told(row: RunRow) -> str:
    """What a run was, who did it, what it came to and, where it was cut short, what goes on with it."""
    from quartermaster.fleet.notices import outcome

    state = state_of(row)
    until = f"{row.ended_at:%d %b %H:%M:%S}" if row.ended_at else "?" if state == "interrupted" else "now"
    took = f", {(row.ended_at - row.started_at).total_seconds():.0f} s" if row.ended_at else ""
    of = f"{row.subject.replace('_', ' ')} of " if row.subject else ""
    lines = [
        f"{row.id}: {state}",
        f"{of}{row.stack}, {row.started_at:%d %b %H:%M:%S} to {until} UTC{took}, by {row.owner}@{row.host}",
        *outcome(row.result or {}),
    ]
    if state in ("interrupted", "stopped") and (helps := mend(row)):
        lines.append(f"remedy: {helps}")
    return "\n".join(lines) + "\n\n"


def _events(ops: Session, kind: str, begin: datetime | None, end: datetime | None, host: str) -> None:
    from quartermaster.fleet.events import to_record

    wanted = {row.id for row in ops.journal.runs(kind)} if kind else None
    found = [
        item for item in ops.journal.events(host=host, since=begin, until=end) if wanted is None or item.run in wanted
    ]
    rows = [
        (
            item.run,
            f"{item.at:%Y-%m-%d %H:%M:%S}",
            item.event.kind,
            item.event.title or item.event.step,
            item.event.host,
        )
        for item in found
    ]
    document = [{"seq": i.seq, "run": i.run, "at": i.at, "hash": i.hash, **to_record(i.event)} for i in found]
    emit({"events": document}, table(["run", "at (UTC)", "event", "step", "host"], rows) if rows else "no events")


def _run(ops: Session, run: str) -> RunRow:
    try:
        return ops.journal.run(run)
    except KeyError as exc:
        raise InputError(f"no run {run!r} in the journal", remedy="ops history lists them") from exc


def _span(ops: Session, since: str, until: str) -> tuple[datetime | None, datetime | None]:
    now = ops.clock.now()
    return instant(since, now) if since else None, instant(until, now, "--until") if until else None
