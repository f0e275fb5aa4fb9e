"""Runbooks as text: rendered with the live names of a fleet.

The vocabulary of a runbook is closed: names that are known for every kind and the kind's own; commands, probes and
rollbacks likewise. ``check`` (check.py) refuses anything else before a drill ever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.events import Json
from quartermaster.runbooks.acts import COMMANDS, ROLLBACKS
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.probes import PROBES

__all__ = ["DOCUMENTS", "NAMES", "environment", "kinds", "known_names", "render", "vocabulary"]

DOCUMENTS = Path(__file__).parent / "documents"
NAMES: Mapping[str, Json] = {
    "of": "NAME",
    "stack": "STACK",
    "target": "local",
    "way": "",
    "why": "not chosen yet",
    "runner_up": "not chosen yet",
    "objective": "none declared",
    "stops": "when a step exceeds its time limit",
    "calm_seconds": 5,
}
"""Names that every runbook may use, as they show before there is a stack."""


def known_names(kind: Kind) -> dict[str, Json]:
    """Every name that the kind's runbook may use, as it shows before there is a stack. ``limits`` is a mapping."""
    return {**NAMES, **kind.names, "scope": kind.scope, "limits": kind.limits}


def vocabulary(kind: Kind) -> dict[str, dict[str, tuple[str, ...]]]:
    """What the kind's steps may name under each label (Command, Expected, Rollback), with the arguments of each."""
    return {
        "Command": {name: item.arguments for name, item in {**COMMANDS, **kind.commands}.items()},
        "Expected": {name: item.arguments for name, item in {**PROBES, **kind.probes}.items()},
        "Rollback": {name: item.arguments for name, item in {**ROLLBACKS, **kind.rollbacks}.items()},
    }


def kinds(folder: Path = DOCUMENTS) -> tuple[str, ...]:
    """Kinds of which there is a runbook. Read-only."""
    return tuple(sorted(path.name.removesuffix(".md.j2") for path in folder.glob("*.md.j2")))


def render(kind: Kind, names: Mapping[str, Json], *, folder: Path = DOCUMENTS) -> str:
    """The kind's runbook as Markdown, with the names in it. Raises InputError where it uses one that there is not."""
    file = f"{kind.name}.md.j2"
    try:
        return environment(folder).get_template(file).render({**known_names(kind), **names})
    except jinja2.TemplateError as exc:
        remedy = f"names that there are: {', '.join(known_names(kind))}"
        fault = Fault(kind.name, str(exc), remedy, file=file)
        raise InputError(f"the runbook {kind.name} cannot be rendered: {exc}", [fault]) from exc


def environment(folder: Path, *, autoescape: bool = False) -> jinja2.Environment:
    """Templates of the folder; a name that is not there is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        keep_trailing_newline=True,
    )
