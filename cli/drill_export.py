"""``ops drill export``: a run in the words of another tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.outfile import writing
from quartermaster.cli.output import emit
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError

__all__ = ["attach"]

_KINDS = ("drill", "runbook")


def attach(group: Group) -> None:
    """Register the command."""
    group.command("export", example="ops drill export drill-20261120T093000-1f2e --out chaos")(export)


def export(
    run: Annotated[str, typer.Argument(help="Id of a drill's run, or of a runbook that a person walked.")],
    out: Annotated[Path, typer.Option(help="Folder for experiment.json and journal.json.")],
    format: Annotated[Literal["chaostoolkit"], typer.Option(help="Format of the experiment.")] = "chaostoolkit",
) -> None:
    """Write a run as a Chaos Toolkit experiment, which `chaos run` can repeat, and as its journal."""
    from quartermaster.runbooks.chaos import experiment, journal

    ops = session()
    try:
        row = ops.journal.run(run)
    except KeyError as exc:
        raise InputError(f"no run {run!r} in the journal", remedy="ops drill list") from exc
    if row.kind not in _KINDS:
        raise InputError(f"{run} is no drill but a run of kind {row.kind}", remedy="ops drill list")
    documents = {"experiment.json": experiment(row), "journal.json": journal(row, ops.journal.events(run))}
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, document in documents.items():
            (out / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    files = [str(out / name) for name in documents]
    emit({"run": run, "format": format, "files": files}, "\n".join(f"wrote {file}" for file in files))
