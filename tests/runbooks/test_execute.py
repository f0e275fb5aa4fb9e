"""The engine on a kind that is made up: what is taken back, in which order, and what stands in the evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Command, Hands
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import parse
from quartermaster.runbooks.evidence import measured
from quartermaster.runbooks.execute import Execution
from quartermaster.runbooks.kind import Kind, Meter
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.plan import DrillPlan, Goal
from quartermaster.runbooks.render import known_names, render
from tests.runbooks.rehearsal import a_plan, hands
from tests.runbooks.world import FakeWorld, a_fleet


def a_step(number: int, name: str, phase: str, command: str, rollback: str, expected: str = "steady()") -> str:
    return (
        f"## {number}. {name}\n- **Step:** `{name}`\n- **Phase:** {phase}\n- **Command:** `{command}`\n"
        f"- **Expected:** `{expected}`\n- **Time limit:** 5 seconds\n- **Rollback:** `{rollback}`\n- **Owner:** me\n"
    )


def a_text(whole: str = "") -> str:
    head = f"---\nkind: made_up\n{'whole: ' + whole if whole else ''}\n---\n# Made up\n"
    return head + (
        a_step(1, "before", "none", "observe()", "nothing()")
        + a_step(2, "scale", "none", "act(scale)", "undo(scale)")
        + a_step(3, "fault", "detect", "act(fault)", "undo(fault)")
        + a_step(4, "shift", "verify", "act(shift)", "undo(shift)")
        + a_step(5, "end", "none", "act(end)", "undo(fault)")
    )


class Told:
    """What was done, in order; acts in ``fails`` fail."""

    def __init__(self, *fails: str) -> None:
        self.done: list[str] = []
        self._fails = fails

    def act(self, _hands: Hands, _plan: DrillPlan, what: str) -> dict[str, Any]:
        return self._do(what, what)

    def undo(self, _hands: Hands, _plan: DrillPlan, what: str) -> dict[str, Any]:
        return self._do(f"undo {what}", what)

    def _do(self, said: str, what: str) -> dict[str, Any]:
        self.done.append(said)
        if said in self._fails:
            raise OpsError(f"{said} failed")
        return {f"{what}_id": what.upper(), "rpo_seconds": 1.5}

    @property
    def kind(self) -> Kind:
        commands, rollbacks = {"act": Command(self.act, ("what",))}, {"undo": Command(self.undo, ("what",))}
        return replace(KINDS["instance_loss"], commands=commands, rollbacks=rollbacks)


def an_execution(told: Told, text: str = "") -> tuple[Execution, Course, DrillPlan]:
    world = FakeWorld()
    plan, course = replace(a_plan(world), document=text or a_text()), Course(parse(text or a_text()))
    return Execution(plan, told.kind, course, hands(world), Meter()), course, plan


def follow(execution: Execution, course: Course) -> list[Event]:
    return [event for step in course.document.steps for event in execution.follow(step)]


def test_what_began_is_taken_back_the_last_first_and_each_once() -> None:
    told = Told()
    execution, course, _ = an_execution(told)
    follow(execution, course)
    told.done.clear()
    list(execution.heal(execution.started, "test"))
    assert told.done == ["undo fault", "undo shift", "undo scale"]


def test_only_what_began_is_taken_back() -> None:
    told = Told("fault")
    execution, course, _ = an_execution(told)
    with pytest.raises(OpsError):
        follow(execution, course)
    told.done.clear()
    list(execution.heal(execution.started, "test"))
    assert told.done == ["undo fault", "undo scale"]  # the fault, too: it may have been made before it failed


def test_a_rollback_that_fails_keeps_none_from_being_done() -> None:
    told = Told("undo fault")
    execution, course, _ = an_execution(told)
    follow(execution, course)
    told.done.clear()
    with pytest.raises(OpsError, match="undo fault failed"):
        list(execution.heal(execution.started, "test"))
    assert told.done == ["undo fault", "undo shift", "undo scale"]


def test_where_nothing_is_to_be_taken_back_nothing_is_awaited() -> None:
    execution, _, _ = an_execution(Told())
    assert list(execution.heal(["before"], "test")) == []


def test_the_first_step_with_a_phase_makes_the_fault_and_the_head_names_the_last() -> None:
    course = Course(parse(a_text()))
    assert (course.fault, course.closing, course.heal_seconds) == ("fault", ("shift", "end"), 10)
    assert [step.name for step in course.document.steps if course.touches(step.name)] == [
        "scale", "fault", "shift", "end",
    ]  # fmt: skip
    named = Course(parse(a_text("end")))
    assert (named.closing, named.heal_seconds) == (("end",), 15)


def test_what_commands_found_stands_in_the_evidence() -> None:
    execution, course, plan = an_execution(Told())
    result = measured(plan, "run", follow(execution, course))
    assert result.rpo_seconds == 1.5
    assert result.detail == {"scale_id": "SCALE", "fault_id": "FAULT", "shift_id": "SHIFT", "end_id": "END"}
    assert result.restored
    assert tuple(result.rto_phases) == ("detect", "verify")


@pytest.mark.parametrize(
    ("whole", "until", "restored"),
    # By the head all is as before only after the last step; without it, after that of phase verify.
    [("", "fault", False), ("", "shift", True), ("end", "shift", False), ("end", "end", True)],
)
def test_restored_is_what_looked_at_everything(whole: str, until: str, restored: bool) -> None:
    execution, course, plan = an_execution(Told(), a_text(whole))
    events: list[Event] = []
    for event in follow(execution, course):
        events.append(event)
        if isinstance(event, StepFinished) and event.step == until:
            break
    assert measured(plan, "run", events).restored is restored


def test_before_anything_is_touched_all_is_as_before() -> None:
    _, _, plan = an_execution(Told())
    assert measured(plan, "run", [StepStarted(step="before")]).restored


@pytest.mark.parametrize(
    ("rto", "rpo", "holds_data", "met"),
    [
        (59, 0, True, True),
        (60, 5, True, True),
        (61, 0, True, False),
        (59, 6, True, False),
        (59, None, True, False),
        (59, None, False, True),
        (None, 0, True, False),
    ],
)
def test_an_objective_is_met_in_time_and_in_data(
    rto: float | None, rpo: float | None, holds_data: bool, met: bool
) -> None:
    assert Goal(60, 5).met(rto, rpo, holds_data=holds_data) is met


@pytest.mark.parametrize(
    ("kind", "of", "way", "why"),
    [
        ("meteor", "web", "", "there is no drill 'meteor'"),
        ("instance_loss", "orders", "", "instance_loss is a drill of a cluster: orders is a database"),
        ("instance_loss", "api", "", "fleet shop has no cluster 'api'"),
        ("instance_loss", "web", "gently", "instance_loss cannot be run 'gently'"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_real_reason(kind: str, of: str, way: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        drill.accept(kind, of, a_fleet(databases="{orders: {}}"), way)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_has_a_document_of_its_scope_that_says_when_all_is_as_before(kind: Kind) -> None:
    course = Course(parse(render(kind, known_names(kind))))
    assert course.document.head["scope"] == (kind.scope or "none")
    assert course.whole
    assert course.fault or not kind.scope  # what is only talked about has none
