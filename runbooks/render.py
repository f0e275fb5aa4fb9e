"""Runbooks as text: rendered with the live names of a fleet.

The vocabulary of a runbook is closed: names of ``Context``, commands and rollbacks of ``COMMANDS`` and
``ROLLBACKS``, probes of ``PROBES``. ``check`` (check.py) refuses anything else before a drill ever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import jinja2

from quartermaster.fleet.errors import Fault, InputError

__all__ = ["COMMANDS", "DOCUMENTS", "LIMITS", "ROLLBACKS", "Context", "environment", "kinds", "render"]

DOCUMENTS = Path(__file__).parent / "documents"
COMMANDS: Mapping[str, tuple[str, ...]] = {"observe": (), "wait": (), "kill_host": ("host",)}
"""What a step may do, with its arguments. observe and wait do nothing: the world acts."""
ROLLBACKS: Mapping[str, tuple[str, ...]] = {"nothing": (), "replace_host": ("host",)}
"""What takes a step back, with its arguments."""
LIMITS: Mapping[str, Mapping[str, int]] = {
    "instance_loss": {
        "steady_before": 30,
        # The default ELB health check needs 2 failures 30 s apart; a group reads it once a minute or so.
        "lose": 120,
        "give_up": 180,
        "launch": 300,
        # A host installs packages and applies its role; its launch hook waits as long (infra: hook timeout).
        "converge": 900,
        "whole": 180,
        "stays": 60,
    }
}
"""Seconds until a step's probe must hold, by kind of drill and step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Every name that a runbook may use. The defaults show what is not known before there is a stack."""

    cluster: str = "CLUSTER"
    stack: str = "STACK"
    target: str = "local"
    group: str = "GROUP"
    serving: int = 0
    host: str = "HOST"
    zone: str = "ZONE"
    address: str = "ADDRESS"
    why: str = "not chosen yet"
    runner_up: str = "not chosen yet"
    balancer: str = "none"
    target_group: str = "TARGET-GROUP"
    objective: str = "none declared"
    stops: str = "when a step exceeds its time limit"
    calm_seconds: int = 5
    kill_by_hand: str = "ops local fail host HOST"
    limits: Mapping[str, int] = field(default_factory=lambda: LIMITS["instance_loss"])


def kinds(folder: Path = DOCUMENTS) -> tuple[str, ...]:
    """Kinds of which there is a runbook. Read-only."""
    return tuple(sorted(path.name.removesuffix(".md.j2") for path in folder.glob("*.md.j2")))


def render(kind: str, context: Context, *, folder: Path = DOCUMENTS) -> str:
    """The runbook of that kind as Markdown, with the context's names in it. Raises InputError for an unknown kind."""
    if kind not in kinds(folder):
        raise InputError(f"no runbook {kind!r}", remedy=f"one of: {', '.join(kinds(folder))}")
    try:
        return (
            environment(folder)
            .get_template(f"{kind}.md.j2")
            .render({item.name: getattr(context, item.name) for item in fields(context)})
        )
    except jinja2.TemplateError as exc:
        fault = Fault(kind, str(exc), "see Context in runbooks/render.py for the names there are", file=f"{kind}.md.j2")
        raise InputError(f"the runbook {kind} cannot be rendered: {exc}", [fault]) from exc


def environment(folder: Path, *, autoescape: bool = False) -> jinja2.Environment:
    """Templates of the folder; a name that is not there is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        keep_trailing_newline=True,
    )
