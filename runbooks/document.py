"""A rendered runbook as the drill reads it: the steps are parsed from the very text that people read.

A step is a numbered heading of level two with a list of labelled lines below it::

    ## 2. The host loses its power
    - **Step:** `lose`                          its name in the journal
    - **Phase:** detect                         of the recovery time, or none
    - **Command:** `kill_host(i-0abc)`          what is done
    - **Expected:** `noticed(i-0abc)`: words    the probe that must hold, then words for people
    - **Time limit:** 120 seconds               until it must hold
    - **Rollback:** `replace_host(i-0abc)`      what takes it back
    - **Owner:** who answers for it
    - **By hand:** optional, for people only
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from quartermaster.fleet.errors import Fault, InputError

__all__ = ["PHASES", "Call", "Document", "Named", "Step", "examine", "is_label", "parse"]

PHASES = ("detect", "decide", "act", "converge", "verify")
"""Parts of the recovery time, in order."""

_LABELS = ("Step", "Phase", "Command", "Expected", "Time limit", "Rollback", "Owner")
_OPTIONAL = ("By hand",)
_HEADING = re.compile(r"## (\d+)\. (.+)")
_LINE = re.compile(r"- \*\*([A-Z][a-z ]+):\*\* (.+)")
_CALL = re.compile(r"`([a-z_]+)\(([^()`]*)\)`")
_EXAMPLE = "see documents/instance_loss.md.j2"


@dataclass(frozen=True, slots=True)
class Call:
    """A name of the runbooks' vocabulary with its arguments."""

    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, as read."""

    number: int
    name: str
    title: str
    phase: str
    """One of PHASES, or empty: it does not count in the recovery time."""
    command: Call
    expected: Call
    limit_seconds: float
    rollback: Call
    owner: str
    line: int
    """Of its heading in the rendered text, from 1."""
    by_hand: str = ""
    """What a person does, as Markdown; empty where the world acts by itself."""
    expected_words: str = ""
    """What the probe looks for, in words for people."""


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered runbook: its text, what stands at its head, its steps in order."""

    text: str
    head: Mapping[str, str]
    title: str
    steps: tuple[Step, ...]

    @property
    def sha256(self) -> str:
        """Of the text: evidence names the document that it was made by."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def step(self, name: str) -> Step:
        """The step of that name. Raises KeyError naming those there are."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; there are {', '.join(step.name for step in self.steps)}")


@dataclass(frozen=True, slots=True)
class Named:
    """A call where a step names it, sound or not."""

    label: str
    """Command, Expected or Rollback."""
    call: Call
    line: int


def parse(text: str, *, file: str = "") -> Document:
    """The document in the text. Raises InputError with every fault, each with its line."""
    document, _, faults = examine(text, file=file)
    if faults:
        raise InputError(f"the runbook {file or document.title!r} cannot be followed", faults)
    return document


def examine(text: str, *, file: str = "") -> tuple[Document, tuple[Named, ...], tuple[Fault, ...]]:
    """The document in the text with the steps that are sound, every call that it names, and every fault."""
    lines = text.splitlines()
    faults: list[Fault] = []
    named: list[Named] = []
    head, body_at = _head(lines)
    if not head.get("kind"):
        faults.append(Fault("kind", "the document does not say its kind", "start it with ---, kind: …, ---", 1, file))
    title = next((line[2:].strip() for line in lines[body_at:] if line.startswith("# ")), "")
    steps: list[Step] = []
    for number, (heading, line, labels) in enumerate(_sections(lines, body_at), start=1):
        found = _step(number, heading, line, labels, named, faults, file)
        if found is not None:
            steps.append(found)
    if not steps and not faults:
        faults.append(Fault("steps", "the document has no steps", f"headings like '## 1. Title'; {_EXAMPLE}", 1, file))
    for name in {step.name for step in steps if sum(other.name == step.name for other in steps) > 1}:
        second = [step for step in steps if step.name == name][1]
        faults.append(Fault(name, f"two steps are called {name!r}", "give each its own name", second.line, file))
    faults += _disorder(steps, file)
    return Document(text, head, title, tuple(steps)), tuple(named), tuple(faults)


def is_label(line: str) -> bool:
    """Whether the line says something of its step, as ``- **Owner:** …`` does."""
    return _LINE.fullmatch(line) is not None


def _head(lines: list[str]) -> tuple[dict[str, str], int]:
    """The front matter, and the index of the first line after it."""
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return {}, 0
    end = lines.index("---", 1)
    pairs = (line.partition(":") for line in lines[1:end])
    return {key.strip(): value.strip() for key, _, value in pairs}, end + 1


_Labels = dict[str, tuple[str, int]]


def _sections(lines: list[str], start: int) -> list[tuple[tuple[int, str], int, _Labels]]:
    """Each numbered heading, its line, and the labelled lines below it with theirs."""
    sections: list[tuple[tuple[int, str], int, _Labels]] = []
    for index, line in enumerate(lines[start:], start=start + 1):
        if heading := _HEADING.fullmatch(line):
            sections.append(((int(heading[1]), heading[2]), index, {}))
        elif sections and (labelled := _LINE.fullmatch(line)):
            sections[-1][2].setdefault(labelled[1], (labelled[2], index))
    return sections


def _step(
    number: int,
    heading: tuple[int, str],
    line: int,
    labels: _Labels,
    named: list[Named],
    faults: list[Fault],
    file: str,
) -> Step | None:
    before = len(faults)
    written, title = heading
    where = f"step {written}"
    if written != number:
        faults.append(Fault(where, f"step {written} stands at place {number}", f"number it {number}", line, file))
    for label in _LABELS:
        if label not in labels:
            what = "probe" if label == "Expected" else label.lower()
            faults.append(Fault(where, f"{title!r} has no {what}", f"add '- **{label}:** …'; {_EXAMPLE}", line, file))
    for label, (_, at) in labels.items():
        if label not in _LABELS + _OPTIONAL:
            known = ", ".join(_LABELS + _OPTIONAL)
            faults.append(Fault(where, f"unknown label {label!r}", f"one of: {known}", at, file))
    calls: dict[str, Call] = {}
    for label in ("Command", "Expected", "Rollback"):
        if label in labels:
            text, at = labels[label]
            if match := _CALL.match(text):
                arguments = tuple(part.strip() for part in match[2].split(",")) if match[2].strip() else ()
                calls[label] = Call(match[1], arguments)
                named.append(Named(label, calls[label], at))
            else:
                faults.append(Fault(where, f"{label}: {text!r} names no call", "such as `wait()`", at, file))
    limit = re.match(r"(\d+(?:\.\d+)?) seconds?\b", labels["Time limit"][0]) if "Time limit" in labels else None
    if "Time limit" in labels and (limit is None or float(limit[1]) <= 0):
        text, at = labels["Time limit"]
        faults.append(Fault(where, f"time limit {text!r} is none", "such as: 120 seconds", at, file))
    phase = labels.get("Phase", ("none", line))
    if phase[0] not in (*PHASES, "none"):
        faults.append(Fault(where, f"unknown phase {phase[0]!r}", f"one of: {', '.join(PHASES)}, none", phase[1], file))
    if len(faults) > before or limit is None:
        return None
    return Step(
        number=number,
        name=labels["Step"][0].strip("`"),
        title=title,
        phase="" if phase[0] == "none" else phase[0],
        command=calls["Command"],
        expected=calls["Expected"],
        limit_seconds=float(limit[1]),
        rollback=calls["Rollback"],
        owner=labels["Owner"][0],
        line=line,
        by_hand=labels.get("By hand", ("", line))[0],
        expected_words=_CALL.sub("", labels["Expected"][0], count=1).lstrip(": "),
    )


def _disorder(steps: list[Step], file: str) -> list[Fault]:
    """The recovery time is one stretch cut at the probes, so each phase comes once and they follow in order."""
    phased = [step for step in steps if step.phase]
    faults = [
        Fault(
            step.name,
            f"phase {step.phase} comes after {earlier.phase}",
            "keep the order of the phases",
            step.line,
            file,
        )
        for earlier, step in itertools.pairwise(phased)
        if PHASES.index(step.phase) <= PHASES.index(earlier.phase)
    ]
    for earlier, step in itertools.pairwise(steps):
        if step.phase and not earlier.phase and any(other.phase for other in steps[: steps.index(step)]):
            faults.append(Fault(step.name, "a step without phase splits the recovery time", "move it", step.line, file))
    return faults
