"""Runbooks as text: rendered with the live names of a fleet, as Markdown or HTML, and checked.

The vocabulary of a runbook is closed: names of ``Context``, commands and rollbacks of ``COMMANDS`` and
``ROLLBACKS``, probes of ``PROBES``. ``check`` refuses anything else before a drill ever reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import jinja2
import jinja2.meta

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.runbooks.document import Call, parse
from quartermaster.runbooks.probes import PROBES

__all__ = ["COMMANDS", "DOCUMENTS", "LIMITS", "ROLLBACKS", "Context", "check", "kinds", "render", "render_html"]

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
    environment = _environment(folder)
    try:
        return environment.get_template(f"{kind}.md.j2").render(
            {item.name: getattr(context, item.name) for item in fields(context)}
        )
    except jinja2.TemplateError as exc:
        fault = Fault(kind, str(exc), "see Context in runbooks/render.py for the names there are", file=f"{kind}.md.j2")
        raise InputError(f"the runbook {kind} cannot be rendered: {exc}", [fault]) from exc


def render_html(markdown: str) -> str:
    """One HTML page of a rendered runbook: no script, readable on a phone and on paper."""
    from markdown_it import MarkdownIt

    document = parse(markdown)
    body = markdown.split("---\n", 2)[2]
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(body)
    page = _environment(DOCUMENTS, autoescape=True).get_template("page.html.j2")
    return page.render(title=document.title, head=document.head, body=html)


def check(folder: Path = DOCUMENTS) -> tuple[Fault, ...]:
    """Everything wrong with the runbooks in the folder: undefined names, unknown calls, steps without a probe."""
    return tuple(fault for kind in kinds(folder) for fault in _check_one(kind, folder))


def _check_one(kind: str, folder: Path) -> list[Fault]:
    file = f"{kind}.md.j2"
    source = (folder / file).read_text(encoding="utf-8")
    known = {item.name for item in fields(Context)}
    try:
        tree = _environment(folder).parse(source)
    except jinja2.TemplateSyntaxError as exc:
        return [Fault(kind, exc.message or "syntax error", "correct the template", exc.lineno, file)]
    # Found in the tree, not by rendering: a name in a branch that is not taken today is undefined all the same.
    undefined = sorted(jinja2.meta.find_undeclared_variables(tree) - known)
    if undefined:
        return [
            Fault(name, f"undefined name {name!r}", f"one of: {', '.join(sorted(known))}", _line(source, name), file)
            for name in undefined
        ]
    try:
        text = render(kind, Context(limits=LIMITS.get(kind, {})), folder=folder)
        document = parse(text, file=file)
    except InputError as exc:
        return list(exc.faults)
    faults = []
    if document.head["kind"] != kind:
        faults.append(Fault("kind", f"the document says kind {document.head['kind']!r}", f"kind: {kind}", 2, file))
    for step in document.steps:
        for what, call, vocabulary in (
            ("command", step.command, COMMANDS),
            ("probe", step.expected, {name: probe.arguments for name, probe in PROBES.items()}),
            ("rollback", step.rollback, ROLLBACKS),
        ):
            faults += _wrong(what, call, vocabulary, step.name, step.line, file)
    return faults


def _wrong(
    what: str, call: Call, vocabulary: Mapping[str, tuple[str, ...]], where: str, line: int, file: str
) -> list[Fault]:
    if call.name not in vocabulary:
        return [Fault(where, f"unknown {what} {call.name!r}", f"one of: {', '.join(vocabulary)}", line, file)]
    wanted = vocabulary[call.name]
    if len(call.arguments) != len(wanted):
        asked = f"{call.name}({', '.join(wanted)})"
        return [Fault(where, f"{what} {call} has {len(call.arguments)} arguments", f"write {asked}", line, file)]
    return []


def _line(source: str, name: str) -> int | None:
    pattern = re.compile(rf"{{[{{%][^}}]*\b{re.escape(name)}\b")
    return next((number for number, line in enumerate(source.splitlines(), start=1) if pattern.search(line)), None)


def _environment(folder: Path, *, autoescape: bool = False) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        keep_trailing_newline=True,
    )
