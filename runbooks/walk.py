"""A person follows a runbook: each step is confirmed by hand, its probe read by us, and the journal is that of a drill.

The clock of a step runs from when it is shown: the time that a person takes to read and to type belongs to a recovery
by hand. Runs are of kind ``runbook``, so nothing takes them for a drill, and events say who acted (``by``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from quartermaster.fleet.errors import LeaseLost, OpsError, Stopped
from quartermaster.fleet.events import Event, Json, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal, Recorded, Run, RunRow
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks.acts import COMMANDS, Command, Done, Hands
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import Step, parse
from quartermaster.runbooks.evidence import measured
from quartermaster.runbooks.execute import HEAL, Execution
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.plan import DrillPlan

__all__ = ["RUN_KIND", "Answer", "Person", "go_on", "left_at", "unfinished", "walk"]

RUN_KIND = "runbook"
"""Of a walk's run in the journal."""
_SKIPPED = "skipped: "
_TAKEN_UP = "taken_up"
_Fence = Callable[[], None]
"""Raises LeaseLost when the lease is no longer ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a step."""

    what: Literal["done", "ops", "skip", "stop", "back"]
    """Done by hand; let ops do it; skip it; stop here and go on later; take back what was done and end."""
    reason: str = ""
    """Why it is skipped."""


class Person(Protocol):
    """Who walks."""

    def asked(self, step: Step, trouble: str) -> Answer:
        """The answer to a step that is shown; ``trouble`` says why the last try of it did not do."""
        ...


class _Skipped(OpsError):
    """The person skips the step."""


class _TakenBack(OpsError):
    """The person ends the walk and wants everything taken back."""


def walk(
    plan: DrillPlan, *, journal: Journal, leases: Leases, hands: Hands, person: Person
) -> Generator[Event, None, Mapping[str, Json]]:
    """Walk the plan's runbook with the person. The value is the result, as ``DrillResult`` with ``by`` and ``skipped``.

    Guards are for the person to judge: where one refuses, ops does no step itself. Raises Stopped when the person
    stops, LeaseHeld before anything is shown.
    """
    record = journal.start(RUN_KIND, stack=plan.stack, subject=f"{plan.kind} {plan.of}", inputs=plan.to_json())
    return (yield from _recorded(record, plan, leases, journal, lambda fence: _steps(plan, hands, person, fence, [])))


def go_on(
    row: RunRow, *, journal: Journal, leases: Leases, hands: Hands, person: Person
) -> Generator[Event, None, Mapping[str, Json]]:
    """Take a walk up again from the step at which it was left."""
    plan = DrillPlan.from_json(row.inputs)
    before = [recorded.event for recorded in journal.events(row.id)]
    record = journal.resume(row.id)
    return (
        yield from _recorded(record, plan, leases, journal, lambda fence: _steps(plan, hands, person, fence, before))
    )


def unfinished(journal: Journal, *, stack: str = "") -> list[RunRow]:
    """Walks that were left part-way, newest first. Read-only."""
    return journal.unfinished(RUN_KIND, stack=stack)


def left_at(row: RunRow, journal: Journal) -> Step | None:
    """The step from which the walk goes on; None when all are done. Read-only."""
    document = parse(str(row.inputs["document"]))
    settled = _settled(recorded.event for recorded in journal.events(row.id))
    return next((step for step in document.steps if step.name not in settled), None)


def _steps(plan: DrillPlan, hands: Hands, person: Person, fence: _Fence, before: list[Event]) -> Iterator[Event]:
    kind, course = KINDS[plan.kind], Course(parse(plan.document))
    asking = _Asking(person, fence, may_act=not plan.refused)
    if before:
        yield Noted(step=_TAKEN_UP, message="taken up again")
    with kind.measure(plan, hands) as meter:
        execution = Execution(plan, asking.instead(kind), course, hands, meter)
        execution.started = [event.step for event in before if isinstance(event, StepStarted) and event.step != HEAL]
        settled = _settled(before)
        for step in course.document.steps:
            if step.name in settled:
                continue
            try:
                yield from asking.about(step, execution)
            except _TakenBack as exc:
                yield from execution.heal(execution.started, exc.message)
                return
        if facts := meter.end():
            yield Noted(step="measured", message="what was measured beside the steps", detail={"facts": dict(facts)})


class _Asking:
    """Puts a person before each act."""

    def __init__(self, person: Person, fence: _Fence, *, may_act: bool) -> None:
        self._person, self._fence, self._may_act = person, fence, may_act
        self._trouble = ""
        self._by = "person"

    def instead(self, kind: Kind) -> Kind:
        """The kind, whose commands ask first."""
        return replace(kind, commands={name: self._asked(own) for name, own in {**COMMANDS, **kind.commands}.items()})

    def about(self, step: Step, execution: Execution) -> Iterator[Event]:
        """Show the step until its probe holds or the person goes on without."""
        self._trouble, self._step = "", step
        while True:
            self._by = "person"
            try:
                for event in execution.follow(step):
                    yield replace(event, detail={**event.detail, "by": self._by})
                return
            except _Skipped:
                return
            except (Stopped, LeaseLost, _TakenBack):
                raise
            except OpsError as exc:
                self._trouble = exc.message

    def _asked(self, own: Command) -> Command:
        def do(hands: Hands, plan: DrillPlan, *arguments: str) -> Done:
            answer = self._person.asked(self._step, self._trouble)
            if answer.what == "skip":
                raise _Skipped(_SKIPPED + answer.reason)
            if answer.what == "stop":
                raise Stopped(f"stopped at step {self._step.number}: {self._step.title}")
            if answer.what == "back":
                raise _TakenBack("taken back by hand")
            if answer.what == "done":
                return self._step.command.name not in COMMANDS
            if not self._may_act:
                raise OpsError("a guard refuses the drill now, so ops does no step of it itself")
            self._by = "ops"
            self._fence()  # the person may have thought for long
            if own.require:
                own.require(hands, plan, *arguments)
            return own.do(hands, plan, *arguments)

        # What it requires of the world is asked when ops is to act: a person may walk where the worst has happened.
        return Command(do, own.arguments)


def _recorded(
    record: Run, plan: DrillPlan, leases: Leases, journal: Journal, steps: Callable[[_Fence], Iterator[Event]]
) -> Generator[Event, None, Mapping[str, Json]]:
    """Hold the leases, write each event down before it is passed on, and close the run; stopped, it can go on."""
    try:
        with leases.hold(plan.scopes, run=record.id) as lease:
            yield from record.record(lease.fenced(steps(lease.check)))
    except BaseException:
        record.finish("stopped", _result(plan, record.id, journal.events(record.id)))
        raise
    events = journal.events(record.id)
    result = _result(plan, record.id, events)
    taken_back = any(one.event.step == HEAL and isinstance(one.event, StepFinished) for one in events)
    record.finish("recovered" if taken_back else "done", result)
    return result


def _result(plan: DrillPlan, run_id: str, recorded: list[Recorded]) -> dict[str, Json]:
    """What the walk came to. Its recovery time counts only when it went straight through."""
    events = [one.event for one in recorded]
    found = measured(plan, run_id, events).to_json()
    skipped = [
        {"step": event.step, "reason": event.error.removeprefix(_SKIPPED)}
        for event in events
        if isinstance(event, StepFailed) and event.error.startswith(_SKIPPED)
    ]
    shown = [event.step for event in events if isinstance(event, StepStarted)]
    straight = len(shown) == len(set(shown)) and all(event.step != _TAKEN_UP for event in events) and not skipped
    if not straight:
        found |= {"rto_seconds": None, "objective_met": None}
    return {**found, "by": "person", "skipped": skipped}


def _settled(events: Iterator[Event] | list[Event]) -> set[str]:
    """Names of the steps that are done or were skipped."""
    return {
        event.step
        for event in events
        if isinstance(event, StepFinished) or (isinstance(event, StepFailed) and event.error.startswith(_SKIPPED))
    }
