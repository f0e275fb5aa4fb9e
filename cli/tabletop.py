"""The table of a table-top drill: people at a terminal, or their answers in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import BeforeValidator, Field, ValidationError

from quartermaster.cli.output import say
from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.events import Event, StepFailed
from quartermaster.fleet.schema.base import Model
from quartermaster.fleet.schema.faults import fault_of
from quartermaster.fleet.schema.tree import read_tree

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.runbooks.acts import Table
    from quartermaster.runbooks.evidence import DrillResult

__all__ = ["seated", "talk", "told"]

_KNEW = ("yes", "partly", "no")


class _Answer(Model):
    """One answer, as the file gives it."""

    answer: Annotated[str, Field(min_length=1)]
    seconds: Annotated[float, Field(ge=0)] | None = None
    """How long the table took; None: nobody looked at the clock."""
    knew: Literal["yes", "partly", "no"] | None = None
    """How it compares with what the fleet says; None: not judged."""


def _plain(value: Any) -> Any:
    """An answer may be text alone."""
    return {"answer": value} if isinstance(value, str) else value


class _File(Model):
    people: tuple[str, ...] = ()
    answers: dict[str, Annotated[_Answer, BeforeValidator(_plain)]] = Field(default_factory=dict)


def seated(ops: Session, kind: str, of: str, answers: Path | None) -> Table | None:
    """Who answers the drill's questions; None for kinds that ask none.

    Raises InputError where questions are asked and nobody is there, or the file does not answer them all.
    """
    from quartermaster.runbooks.kinds import tabletop

    if kind != tabletop.KIND.name:
        if answers is not None:
            raise InputError(f"{kind} asks no questions", remedy="leave --answers out")
        return None
    asked = {question.id: question.ask for question in tabletop.questions(ops.fleet, of)}
    if answers is not None:
        return _Written(_read(answers, asked))
    if not sys.stdin.isatty():
        wanted = "\n".join(f"      {name}: …  # {ask}" for name, ask in asked.items())
        raise InputError(
            f"a table-top of {of} asks {len(asked)} questions, and nobody is here to answer",
            remedy="run it in a terminal, or give --answers FILE.yaml with\n"
            f"    people: [Ada, Ben]\n    answers:\n{wanted}",
        )
    return _Talk()


def talk(events: Generator[Event, None, DrillResult]) -> DrillResult:
    """Follow the drill without a moving line, which would run over the questions."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            result: DrillResult = end.value
            return result
        if isinstance(event, StepFailed):
            say(f"✗ {event.error}")


def told(result: Mapping[str, Any]) -> str:
    """The answers in a person's words."""
    given = result["detail"].get("answers", ())
    lines = [f"table-top of {result['of']} with {', '.join(result['detail'].get('people', ())) or 'nobody named'}"]
    for answer in given:
        seconds = "time not taken" if answer["seconds"] is None else f"{answer['seconds']:.0f} s"
        late = ", too long" if answer["late"] else ""
        lines.append(f"  {answer['knew'] or 'not judged':<10}  {answer['title']}  ({seconds}{late})")
    unknown = [answer["title"] for answer in given if answer["knew"] in ("no", "partly")]
    return "\n".join([*lines, f"to work on: {'; '.join(unknown) or 'nothing that the table knew of'}"])


class _Seats:
    """Keeps who sits there and what was answered."""

    def __init__(self, people: tuple[str, ...]) -> None:
        self.people = people
        self.answers: dict[str, Any] = {}

    def _keep(
        self, question: Mapping[str, str], limit_seconds: float, answer: str, seconds: float | None, knew: str | None
    ) -> None:
        self.answers[question["id"]] = {
            "title": question["title"],
            "question": question["ask"],
            "known": question["known"],
            "answer": answer,
            "seconds": seconds,
            "late": seconds is not None and seconds > limit_seconds,
            "knew": knew,
        }


class _Written(_Seats):
    """Answers of a file."""

    def __init__(self, file: _File) -> None:
        super().__init__(file.people)
        self._given = file.answers

    def ask(self, question: Mapping[str, str], limit_seconds: float) -> None:
        given = self._given[question["id"]]
        self._keep(question, limit_seconds, given.answer, given.seconds, given.knew)


class _Talk(_Seats):
    """People at a terminal."""

    def __init__(self) -> None:
        named = str(typer.prompt("who sits at the table (names, with commas)", err=True))
        super().__init__(tuple(name.strip() for name in named.split(",") if name.strip()))

    def ask(self, question: Mapping[str, str], limit_seconds: float) -> None:
        say(f"\n{question['title']}  ({limit_seconds / 60:g} minutes)\n  {question['ask']}")
        began = time.monotonic()
        answer = str(typer.prompt("  ", err=True, prompt_suffix="> "))
        seconds = round(time.monotonic() - began, 1)
        say(f"  {seconds:.0f} s" + (": too long" if seconds > limit_seconds else ""))
        knew = None
        if question["known"]:
            say(f"  the fleet says: {question['known']}")
            while knew not in _KNEW:
                knew = str(typer.prompt(f"  did the table know ({', '.join(_KNEW)})", err=True)).strip().lower()
        self._keep(question, limit_seconds, answer, seconds, knew)


def _read(path: Path, asked: Mapping[str, str]) -> _File:
    """The file's answers. Raises InputError with every fault and its line."""
    try:
        tree = read_tree(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}", remedy="a UTF-8 text file that you may read") from exc
    faults = list(tree.faults)
    found = _File()
    try:
        found = _File.model_validate(tree.value)
    except ValidationError as exc:
        faults += [fault_of(error, tree.value, _File) for error in exc.errors()]
    given = tree.value.get("answers") if isinstance(tree.value, Mapping) else None
    for name in given if isinstance(given, Mapping) else ():
        if name not in asked:
            faults.append(Fault(f"answers.{name}", f"nobody asks {name!r}", f"one of: {', '.join(asked)}"))
    for name, ask in asked.items():
        if not isinstance(given, Mapping) or name not in given:
            faults.append(Fault(f"answers.{name}", f"no answer to: {ask}", f"{name}: what the table says"))
    if faults:
        placed = [replace(fault, line=fault.line or tree.line_of(fault.where), file=str(path)) for fault in faults]
        raise InputError(f"{len(faults)} faults in the answers", sorted(placed, key=lambda fault: fault.line or 0))
    return found
