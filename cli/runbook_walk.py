"""``ops runbook run``: a person follows a runbook step by step, ops looks whether each has worked."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.drill_plan import hands, planned
from quartermaster.cli.group import Confirm, Group, How
from quartermaster.cli.output import emit, say
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError, Stopped
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow
    from quartermaster.runbooks.document import Step
    from quartermaster.runbooks.walk import Answer

__all__ = ["attach"]


def attach(group: Group) -> None:
    """Register the command."""
    group.command("run", example="ops runbook run instance_loss web")(run)


def run(
    kind: Annotated[str, typer.Argument(help="As `ops runbook list` names it.")] = "",
    of: Annotated[str, typer.Argument(help="Cluster or database.")] = "",
    how: How = "",
    resume: Annotated[str, typer.Option(help="Id of a run that was left part-way, to go on with.")] = "",
    confirm_stack: Confirm = "",
) -> None:
    """Walk a runbook: each step is shown, done by you or by ops, its probe read; stop and go on whenever you like."""
    from quartermaster.runbooks import walk

    if not sys.stdin.isatty():
        raise InputError(
            "a runbook is walked by a person, and nobody is here to ask",
            remedy="run it in a terminal; unattended, `ops drill run` does the same steps",
        )
    if bool(resume) == bool(kind and of):
        raise InputError("say what to walk", remedy="`ops runbook run KIND OF`, or `ops runbook run --resume RUN`")
    if kind == "tabletop":
        raise InputError("a table-top is talked through", remedy=f"ops drill run tabletop {of} --now")
    ops = session()
    ops.typed_confirmation(confirm_stack)
    left = {row.id: row for row in walk.unfinished(ops.journal, stack=ops.stack)}
    if resume:
        if resume not in left:
            raise InputError(
                f"no runbook was left part-way as {resume}", remedy=f"those that were: {', '.join(left) or 'none'}"
            )
        row = left[resume]
        say(_where(ops, row))
        _follow(
            ops, walk.go_on(row, journal=ops.journal, leases=ops.leases, hands=hands(ops), person=_Terminal(row.inputs))
        )
        return
    for row in left.values():
        if row.subject == f"{kind} {of}":
            raise InputError(
                _where(ops, row), remedy=f"ops runbook run --resume {row.id}: go on, or take it back there"
            )
    plan = planned(ops, kind, of, way=how, now=True)
    for guard in plan.refused:
        say(f"a drill would be refused: {guard.found}; so ops does no step itself")
    for warning in plan.warnings:
        say(f"warning: {warning}")
    if plan.target == "local":
        say('aws commands reach the local cloud after: eval "$(ops local env)"')
    person = _Terminal(plan.to_json())
    _follow(ops, walk.walk(plan, journal=ops.journal, leases=ops.leases, hands=hands(ops), person=person))


def _where(ops: Session, row: RunRow) -> str:
    from quartermaster.runbooks.walk import left_at

    step = left_at(row, ops.journal)
    at = f"before step {step.number}: {step.title}" if step else "after its last step"
    return f"{row.id} ({row.subject}) was left {at}"


def _follow(ops: Session, events: Generator[Event, None, Mapping[str, Any]]) -> None:
    """Tell what happens between the questions; at the end the result."""
    try:
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                emit(dict(end.value), _told(end.value))
                return
            if isinstance(event, StepFinished):
                say(f"  ✓ {event.detail.get('found', '')}  ({event.seconds:.0f} s)")
            elif isinstance(event, StepFailed):
                say(f"  ✗ {event.error}")
            elif isinstance(event, Noted):
                say(f"  · {event.message}")
    except (KeyboardInterrupt, typer.Abort, Stopped) as exc:
        from quartermaster.runbooks.walk import unfinished

        row = unfinished(ops.journal, stack=ops.stack)[0]
        raise Stopped(_where(ops, row), remedy=f"ops runbook run --resume {row.id}: go on, or take it back") from exc


class _Terminal:
    """Shows steps and asks at the terminal."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        from quartermaster.runbooks.document import parse

        self._steps = len(parse(plan["document"]).steps)
        self._may_act = not any(guard["verdict"] == "refused" for guard in plan["guards"])

    def asked(self, step: Step, trouble: str) -> Answer:
        from quartermaster.fleet.durations import duration
        from quartermaster.runbooks.acts import COMMANDS
        from quartermaster.runbooks.walk import Answer

        say(f"\n{step.number}/{self._steps}  {step.title}" + (f"  [{step.phase}]" if step.phase else ""))
        shown = {
            "by hand": step.by_hand or "nothing: wait for what is expected",
            "expected": f"{step.expected_words}  {step.expected}",
            "limit": duration(step.limit_seconds),
            "rollback": "nothing to take back" if step.rollback.name == "nothing" else str(step.rollback),
            "owner": step.owner,
        }
        for name, value in shown.items():
            say(f"     {name:<9} {value}")
        if trouble:
            say(f"  ! {trouble}")
        acts = step.command.name not in COMMANDS
        choices = {"d": "done, look" if acts else "look"}
        if acts and self._may_act:
            choices["o"] = f"ops does {step.command}"
        choices |= {"s": "skip", "b": "take everything back and end", "q": "stop, go on later"}
        picked = _pick(choices)
        if picked == "s":
            return Answer("skip", typer.prompt("why is it skipped", err=True))
        return Answer({"d": "done", "o": "ops", "b": "back", "q": "stop"}[picked])  # type: ignore[arg-type]


def _pick(choices: Mapping[str, str]) -> str:
    """The letter that the person picks; asked again until it is one."""
    text = "  ".join(f"[{letter}] {what}" for letter, what in choices.items())
    while True:
        picked = str(typer.prompt(f"  {text}\n  ", err=True, prompt_suffix="> ")).strip().lower()[:1]
        if picked in choices:
            return picked
        say(f"  one of: {', '.join(choices)}")


def _told(result: Mapping[str, Any]) -> str:
    time = result["rto_seconds"]
    text = f"{result['kind']} of {result['of']} walked: {result['run']}\n"
    text += (
        f"recovered in {time:.0f} s by hand" if time is not None else "no recovery time: it did not go straight through"
    )
    for item in result["skipped"]:
        text += f"\nskipped {item['step']}: {item['reason']}"
    return text + f"\neverything as before: {'yes' if result['restored'] else 'no'}"
