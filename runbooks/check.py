"""What is wrong with the runbooks of a folder, all at once, before a drill or a person relies on them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path

import jinja2
import jinja2.meta
from jinja2 import nodes

from quartermaster.fleet.errors import Fault
from quartermaster.runbooks.document import Call, examine
from quartermaster.runbooks.probes import PROBES
from quartermaster.runbooks.prose import Judge, wrong_commands, wrong_links
from quartermaster.runbooks.render import COMMANDS, DOCUMENTS, LIMITS, ROLLBACKS, Context, environment, kinds

__all__ = ["check"]

_TARGETS = ("local", "aws")
"""Documents say different things on each."""


def check(folder: Path = DOCUMENTS, *, judge: Judge = lambda _: "") -> tuple[Fault, ...]:
    """Everything wrong with the runbooks in the folder, in the order of files and lines.

    Undefined names, unknown calls, steps without a probe, commands that the judge refuses, dead links.
    """
    return tuple(fault for kind in kinds(folder) for fault in _check_one(kind, folder, judge))


def _check_one(kind: str, folder: Path, judge: Judge) -> list[Fault]:
    file = f"{kind}.md.j2"
    source = (folder / file).read_text(encoding="utf-8")
    context = Context(limits=LIMITS.get(kind, {}))
    lenient = environment(folder).overlay(undefined=_Anything)
    try:
        faults = list(_undefined(lenient.parse(source), context, file))
        template = lenient.from_string(source)
    except jinja2.TemplateSyntaxError as exc:
        return [Fault(kind, exc.message or "syntax error", "correct the template", exc.lineno, file)]
    found: dict[Fault, None] = {}
    for target in _TARGETS:
        names = replace(context, target=target)
        text = template.render({item.name: getattr(names, item.name) for item in fields(names)})
        lines = _origins(source, text)
        for fault in _wrong(kind, text, folder, file, judge):
            found[replace(fault, line=lines[(fault.line or 1) - 1])] = None
    return sorted([*faults, *found], key=lambda fault: fault.line or 0)


class _Anything(jinja2.ChainableUndefined):
    """Stands for a name that there is not, so that the rest of the document is checked all the same."""

    def __str__(self) -> str:
        return "1"


def _undefined(tree: nodes.Template, context: Context, file: str) -> Iterator[Fault]:
    """Names and attributes that there are not: of the tree, so also those in a branch that is not taken today."""
    known = {item.name: getattr(context, item.name) for item in fields(context)}
    undeclared = jinja2.meta.find_undeclared_variables(tree) - known.keys()
    for name in tree.find_all(nodes.Name):
        if name.name in undeclared:
            remedy = f"one of: {', '.join(sorted(known))}"
            yield Fault(name.name, f"undefined name {name.name!r}", remedy, name.lineno, file)
    for part in tree.find_all(nodes.Getattr):
        values = known.get(part.node.name) if isinstance(part.node, nodes.Name) else None
        if isinstance(values, Mapping) and part.attr not in values:
            remedy = f"one of: {', '.join(values) or 'none: the kind is unknown'}"
            yield Fault(part.attr, f"undefined name {part.node.name}.{part.attr}", remedy, part.lineno, file)


def _wrong(kind: str, text: str, folder: Path, file: str, judge: Judge) -> Iterator[Fault]:
    document, named, faults = examine(text, file=file)
    yield from faults
    if document.head.get("kind", kind) != kind:
        yield Fault("kind", f"the document says kind {document.head['kind']!r}", f"kind: {kind}", 2, file)
    probes = {name: probe.arguments for name, probe in PROBES.items()}
    for item in named:
        what, known = {
            "Command": ("command", COMMANDS),
            "Expected": ("probe", probes),
            "Rollback": ("rollback", ROLLBACKS),
        }[item.label]
        if problem := _unknown(what, item.call, known):
            yield Fault(item.label, *problem, item.line, file)
    for line, command, problem in wrong_commands(text, judge):
        yield Fault("command", f"nobody can type `{command}`: {problem}", "see --help of the command", line, file)
    for line, link, problem in wrong_links(text, folder):
        yield Fault("link", f"{link} leads nowhere: {problem}", "correct the link, or take it out", line, file)


def _unknown(what: str, call: Call, known: Mapping[str, tuple[str, ...]]) -> tuple[str, str] | None:
    if call.name not in known:
        return f"unknown {what} {call.name!r}", f"one of: {', '.join(known)}"
    if len(call.arguments) != len(known[call.name]):
        asked = f"{call.name}({', '.join(known[call.name])})"
        return f"{what} {call} has {len(call.arguments)} arguments", f"write {asked}"
    return None


def _origins(source: str, text: str) -> list[int]:
    """For each line of the rendered text the line of the template that it comes from, both from 1."""
    patterns = [
        re.compile(re.sub(r"\\{\\{.*?\\}\\}", ".*", re.escape(re.sub(r"{[%#].*?[%#]}", "", line))))
        for line in source.splitlines()
    ]
    at, origins = 0, []
    for line in text.splitlines():
        # On from the last one; else back to where a loop begins.
        places = itertools.chain(range(at, len(patterns)), range(at))
        at = next((place for place in places if patterns[place].fullmatch(line)), at)
        origins.append(at + 1)
        at += at + 1 < len(patterns)
    return origins
