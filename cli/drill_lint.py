"""``ops drill lint``: can the declared objectives be met at all, before anything is run?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.errors import FOUND
from quartermaster.cli.output import emit, table
from quartermaster.cli.session import session

if TYPE_CHECKING:
    from quartermaster.cli.group import Group
    from quartermaster.fleet.reach import Verdict

__all__ = ["attach"]


def attach(group: Group) -> None:
    """Add the command to ``ops drill``."""
    group.command("lint", example="ops drill lint --exit-code")(lint)


def lint(
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 when an objective is out of reach.")] = False,
) -> None:
    """Show for each objective the best that the settings allow, what it adds up from, and what to change."""
    from quartermaster.fleet.reach import verdicts
    from quartermaster.runbooks.lint import document, measured

    ops = session()
    known = measured(row.result for row in ops.journal.runs("drill", stack=ops.stack) if row.result)
    found = verdicts(ops.fleet, known)
    emit(document(ops.fleet, found, known), _told(found))
    if exit_code and any(one.reachable is False for one in found):
        raise typer.Exit(FOUND)


def _told(found: list[Verdict]) -> str:
    from quartermaster.fleet.reach import as_declared
    from quartermaster.runbooks.lint import sentence

    if not found:
        return "no objectives are declared: recovery.NAME in fleet.yaml"
    words = {True: "yes", False: "no", None: "unproven"}
    rows = [
        (
            f"{one.name} {one.scope} {one.metric}",
            as_declared(one.objective_seconds),
            "never" if one.best_seconds is None else as_declared(one.best_seconds),
            words[one.reachable],
            sentence(one),
        )
        for one in found
    ]
    text = table(["objective", "#wanted", "#at best", "reachable", "of what"], rows)
    remedies = [f"{one.name} {one.scope} {one.metric}: {one.remedy}" for one in found if one.remedy]
    return "\n".join([text.rstrip(), *(f"→ {line}" for line in remedies)])
