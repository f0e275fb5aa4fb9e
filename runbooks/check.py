"""What is wrong with the runbooks of a folder, all at once, before a drill or a person relies on them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import jinja2
import jinja2.meta
from jinja2 import nodes

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.events import Json
from quartermaster.runbooks.document import Call, examine
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.prose import Judge, wrong_commands, wrong_links
from quartermaster.runbooks.render import DOCUMENTS, environment, kinds, known_names, vocabulary

__all__ = ["check"]

_TARGETS = ("local", "aws")
"""Documents say different things on each."""


def check(folder: Path = DOCUMENTS, *, judge: Judge = lambda _: "") -> tuple[Fault, ...]:
    """Everything wrong with the runbooks in the folder, in the order of files and lines.

    Drills without a runbook, undefined names, unknown calls, steps without a probe, commands that the judge refuses,
    dead links.
    """
    there = kinds(folder)
    lacking = (
        Fault(name, f"the drill {name} has no runbook", f"write {name}.md.j2", file=f"{name}.md.j2")
        for name in KINDS
        if name not in there
    )
    return (*lacking, *(fault for name in there for fault in _check_named(name, folder, judge)))


def _check_named(name: str, folder: Path, judge: Judge) -> list[Fault]:
    file = f"{name}.md.j2"
    if name not in KINDS:
        return [Fault(name, f"there is no drill {name!r}", f"one of: {', '.join(KINDS)}", 1, file)]
    return _check_one(KINDS[name], file, folder, judge)


def _check_one(kind: Kind, file: str, folder: Path, judge: Judge) -> list[Fault]:
    source = (folder / file).read_text(encoding="utf-8")
    known = known_names(kind)
    lenient = environment(folder).overlay(undefined=_Anything)
    try:
        faults = list(_undefined(lenient.parse(source), known, file))
        template = lenient.from_string(source)
    except jinja2.TemplateSyntaxError as exc:
        return [Fault(kind.name, exc.message or "syntax error", "correct the template", exc.lineno, file)]
    found: dict[Fault, None] = {}
    for target in _TARGETS:
        text = template.render({**known, "target": target})
        lines = _origins(source, text)
        for fault in _wrong(kind, text, folder, file, judge):
            found[replace(fault, line=lines[(fault.line or 1) - 1])] = None
    return sorted([*faults, *found], key=lambda fault: fault.line or 0)


class _Anything(jinja2.ChainableUndefined):
    """Stands for a name that there is not, so that the rest of the document is checked all the same."""

    def __str__(self) -> str:
        return "1"


def _undefined(tree: nodes.Template, known: Mapping[str, Json], file: str) -> Iterator[Fault]:
    """Names and attributes that there are not: of the tree, so also those in a branch that is not taken today."""
    undeclared = jinja2.meta.find_undeclared_variables(tree) - known.keys()
    for name in tree.find_all(nodes.Name):
        if name.name in undeclared:
            remedy = f"one of: {', '.join(sorted(known))}"
            yield Fault(name.name, f"undefined name {name.name!r}", remedy, name.lineno, file)
    for part in tree.find_all(nodes.Getattr):
        whole = part.node.name if isinstance(part.node, nodes.Name) else ""
        values = known.get(whole)
        if isinstance(values, Mapping) and part.attr not in values:
            remedy = f"one of: {', '.join(values) or 'none: the kind is unknown'}"
            yield Fault(part.attr, f"undefined name {whole}.{part.attr}", remedy, part.lineno, file)


def _wrong(kind: Kind, text: str, folder: Path, file: str, judge: Judge) -> Iterator[Fault]:
    document, named, faults = examine(text, file=file)
    yield from faults
    if document.head.get("kind", kind.name) != kind.name:
        yield Fault("kind", f"the document says kind {document.head['kind']!r}", f"kind: {kind.name}", 2, file)
    whole, steps = document.head.get("whole"), [step.name for step in document.steps]
    if whole and whole not in steps:
        yield Fault("whole", f"no step {whole!r} says that all is as before", f"one of: {', '.join(steps)}", 1, file)
    for item in named:
        what = "probe" if item.label == "Expected" else item.label.lower()
        if wrong := _unknown(what, item.call, vocabulary(kind)[item.label]):
            yield Fault(item.label, *wrong, item.line, file)
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
