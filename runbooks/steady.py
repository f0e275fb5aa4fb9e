"""The steady state that a runbook begins with, read by itself: nothing is done, nothing is written down."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import Event
from quartermaster.runbooks.acts import COMMANDS, Hands
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import Step, parse
from quartermaster.runbooks.execute import Execution
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.plan import DrillPlan

__all__ = ["steady", "steady_step"]


def steady_step(plan: DrillPlan) -> Step:
    """The step that reads it: the first one. Raises InputError for a runbook that begins otherwise."""
    first = parse(plan.document).steps[0]
    if first.phase or first.command.name not in COMMANDS:
        raise InputError(
            f"the runbook {plan.kind} does not begin with a steady state", remedy="instance_loss does, for one"
        )
    return first


def steady(plan: DrillPlan, hands: Hands) -> Iterator[Event]:
    """Wait for the steady state, as long as the runbook does. Raises Aborted, saying what does not hold."""
    kind, course, step = KINDS[plan.kind], Course(parse(plan.document)), steady_step(plan)
    with kind.measure(plan, hands) as meter:
        yield from Execution(plan, kind, course, hands, meter).follow(step)
