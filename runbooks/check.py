"""What is wrong with the runbooks of a folder, all at once, before a drill or a person relies on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import jinja2
import jinja2.meta

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.runbooks.document import Call, parse
from quartermaster.runbooks.probes import PROBES
from quartermaster.runbooks.render import COMMANDS, DOCUMENTS, LIMITS, ROLLBACKS, Context, environment, kinds, render

__all__ = ["check"]


def check(folder: Path = DOCUMENTS) -> tuple[Fault, ...]:
    """Everything wrong with the runbooks in the folder: undefined names, unknown calls, steps without a probe."""
    return tuple(fault for kind in kinds(folder) for fault in _check_one(kind, folder))


def _check_one(kind: str, folder: Path) -> list[Fault]:
    file = f"{kind}.md.j2"
    source = (folder / file).read_text(encoding="utf-8")
    known = {item.name for item in fields(Context)}
    try:
        tree = environment(folder).parse(source)
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
