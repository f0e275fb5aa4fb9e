"""``ops runbook``: the documents that people read and drills execute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli import runbook_walk
from quartermaster.cli.group import Group, How
from quartermaster.cli.outfile import check_out, write_out
from quartermaster.cli.output import emit, say, table
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError, OpsError

__all__ = ["group"]

group = Group("runbook", "Runbooks: list, render with the fleet's live names, check, walk.")
runbook_walk.attach(group)


@group.command("list", example="ops runbook list")
def list_() -> None:
    """List the kinds of which there is a runbook: what each is of, which objective it proves, its ways (`--how`)."""
    from quartermaster.runbooks.kinds import KINDS

    rows = [(name, ", ".join(kind.of), kind.scope or "none", ", ".join(kind.ways)) for name, kind in KINDS.items()]
    emit({"runbooks": list(KINDS)}, table(["runbook", "of", "proves", "ways"], rows))


@group.command("render", example="ops runbook render instance_loss web --html > runbook.html")
def render(
    kind: Annotated[str, typer.Argument(help="As `ops runbook list` names it.")],
    of: Annotated[str, typer.Argument(help="Cluster or database whose live names are filled in.")],
    how: How = "",
    html: Annotated[bool, typer.Option("--html", help="One HTML page instead of Markdown.")] = False,
    out: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
) -> None:
    """Print the runbook as the drill would execute it now.

    Of a stack that does not answer, when it is needed most: with what fleet.yaml tells, and CAPITALS for the rest.
    """
    from quartermaster.cli.drill_plan import planned
    from quartermaster.runbooks import drill
    from quartermaster.runbooks.page import render_html

    check_out(out)
    ops, unseen = session(), ""
    try:
        document = planned(ops, kind, of, way=how, now=True).document
    except OpsError as exc:
        document, unseen = drill.unseen(kind, of, ops.fleet, ops.stack, how), exc.message
        say(f"not with its live names, which stand in capitals: {unseen}")
    text = render_html(document) if html else document
    told = {"unseen": unseen} if unseen else {}
    if out is not None:
        write_out(out, text)
        emit({"file": str(out), **told}, f"wrote {out}")
    else:
        emit({"kind": kind, "of": of, "document": text, **told}, text)


@group.command("probe", example="ops runbook probe instance_loss web")
def probe(
    kind: Annotated[str, typer.Argument(help="As `ops runbook list` names it.")],
    of: Annotated[str, typer.Argument(help="Cluster or database.")],
) -> None:
    """Wait for the steady state that the runbook begins with; fail when it does not hold in time. Changes nothing."""
    from quartermaster.cli.drill_plan import hands, planned
    from quartermaster.fleet.events import StepFinished
    from quartermaster.runbooks.steady import steady

    ops = session()
    found = [event for event in steady(planned(ops, kind, of, now=True), hands(ops)) if isinstance(event, StepFinished)]
    emit({"holds": True, "found": found[0].detail["found"]}, str(found[0].detail["found"]))


@group.command("check", example="ops runbook check --folder runbooks/documents")
def check(
    folder: Annotated[
        Path | None, typer.Option(help="Folder of other documents; default: those that come with ops.")
    ] = None,
) -> None:
    """Refuse undefined names, unknown or mistyped commands, steps without a probe, dead links: every fault at once."""
    from quartermaster.cli.command_lines import complaint
    from quartermaster.runbooks.check import check as faults
    from quartermaster.runbooks.render import DOCUMENTS, kinds

    chosen = folder or DOCUMENTS
    if not chosen.is_dir():
        raise InputError(f"no folder {chosen}", remedy="--folder with the runbooks' *.md.j2")
    found = faults(chosen, judge=complaint)
    if found:
        count = f"{len(found)} fault{'s' if len(found) > 1 else ''}"
        raise InputError(f"{count} in the runbooks of {chosen}", found)
    shown = kinds(chosen)
    emit({"checked": list(shown), "faults": []}, table(["runbook", "faults"], [(kind, "none") for kind in shown]))
