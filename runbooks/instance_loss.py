"""The drill ``instance_loss``: one host loses its power under load, and the group must replace it unaided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, StepStarted
from quartermaster.fleet.hosts import RequestCounter
from quartermaster.runbooks.acts import Acts, FaultInjector, HostsReader
from quartermaster.runbooks.document import Call, Document, parse
from quartermaster.runbooks.execute import Aborted, Execution
from quartermaster.runbooks.plan import DrillPlan

__all__ = ["recover", "run"]


def run(
    plan: DrillPlan, hosts: HostsReader, faults: FaultInjector, counter: RequestCounter | None, clock: Clock
) -> Iterator[Event]:
    """Follow the plan's runbook. Kills the planned host.

    Whatever goes wrong after the fault, Ctrl-C included, the lost host is replaced before the error goes on.
    """
    document = parse(plan.document)
    execution = Execution(plan, Acts(plan, hosts, faults), hosts, counter, clock)
    try:
        for step in document.steps:
            yield from execution.follow(step)
    except (Exception, KeyboardInterrupt) as exc:
        if execution.fault_at is None:
            raise
        why = exc.message if isinstance(exc, OpsError) else f"{type(exc).__name__}: {exc}".rstrip(": ")
        yield from execution.heal(_rollback(plan, document), why, _heal_seconds(document))
        raise Aborted(
            f"{plan.kind} of {plan.of} was aborted and healed: {why}",
            remedy="the cluster is whole; find the cause before the next drill",
        ) from exc


def recover(plan: DrillPlan, done: Sequence[Event], hosts: HostsReader, clock: Clock) -> Iterator[Event]:
    """Put right what an interrupted run left: nothing before the fault, else the lost host replaced, the group whole.

    ``done`` are the run's events so far. Whether the fault happened cannot be told when the run died beside it
    (a host without power looks well until it is noticed), so from the fault's start on the host is replaced.
    """
    document = parse(plan.document)
    fault = next(step.name for step in document.steps if step.command.name == "kill_host")
    if not any(isinstance(event, StepStarted) and event.step == fault for event in done):
        return
    execution = Execution(plan, Acts(plan, hosts, None), hosts, None, clock)
    yield from execution.heal(_rollback(plan, document), "the drill was interrupted", _heal_seconds(document))


def _rollback(plan: DrillPlan, document: Document) -> Call:
    """What the document says takes the fault back."""
    found = next((step.rollback for step in document.steps if step.command.name == "kill_host"), None)
    return found or Call("replace_host", (plan.host,))


def _heal_seconds(document: Document) -> float:
    """As long as the steps from the launch on may take: the group has all of that to do anew."""
    return sum(step.limit_seconds for step in document.steps if step.phase in ("decide", "act", "converge", "verify"))
