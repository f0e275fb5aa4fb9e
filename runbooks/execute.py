"""Follows a runbook: does each step, waits for its probe, measures, and stops when a stop condition holds.

The phases of the recovery time are the stretches between the instants at which one probe after the other was seen
to hold, counted from the fault: so they add up to it, to the resolution of one look at the world.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from datetime import datetime

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, Json, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import RequestCounter, Requests
from quartermaster.runbooks.acts import Acts, HostsReader
from quartermaster.runbooks.document import Call, Step
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import World, evaluate

__all__ = ["Aborted", "Execution"]

HEAL = "heal"
"""Name of the step that puts things right after an abort or an interruption."""


class Aborted(OpsError):
    """The drill stopped short; what it lost was replaced, or the message says that it was not."""


class Execution:
    """One drill under way."""

    def __init__(
        self, plan: DrillPlan, acts: Acts, hosts: HostsReader, counter: RequestCounter | None, clock: Clock
    ) -> None:
        self._plan = plan
        self._acts = acts
        self._hosts = hosts
        self._counter = counter
        self._clock = clock
        self.fault_at: datetime | None = None
        """When the fault was injected; from then on there is something to heal."""
        self._boundary: datetime | None = None
        self._counts: deque[tuple[datetime, Requests]] = deque()
        self._first: Requests | None = None
        self._failed_at = clock.now()

    def follow(self, step: Step) -> Iterator[Event]:
        """Do one step. Raises Aborted when its probe does not hold in time or a stop condition does."""
        detail: dict[str, Json] = {
            "phase": step.phase,
            "command": str(step.command),
            "expected": str(step.expected),
            "limit_seconds": step.limit_seconds,
        }
        undo = {"host": self._plan.host, "rollback": str(step.rollback)} if step.rollback.name != "nothing" else {}
        try:
            self._acts.require(step.command)
        except OpsError as exc:
            # Not even started: a step that is in the journal as started may have touched the world.
            yield StepFailed(step=step.name, title=step.title, error=exc.message, detail=detail)
            raise
        yield StepStarted(step=step.name, title=step.title, detail=detail, undo=undo, **self._place(step))
        began = self._clock.now()
        try:
            changed = self._do(step, began)
            found = yield from self._await(step.name, step.expected, began, step.limit_seconds)
        except OpsError as exc:
            seconds = self._since(began)
            yield StepFailed(step=step.name, title=step.title, seconds=seconds, error=exc.message, detail=detail)
            raise
        seen = self._clock.now()
        since, self._boundary = self._boundary if step.phase and self._boundary else began, seen
        yield StepFinished(
            step=step.name,
            title=step.title,
            seconds=round((seen - since).total_seconds(), 3),
            changed=changed,
            detail={**detail, "found": found, **self._measured(seen)},
            **self._place(step),
        )

    def heal(self, rollback: Call, why: str, limit_seconds: float) -> Iterator[Event]:
        """Take the loss back and wait until the group is whole. Raises Aborted when it does not become so in time."""
        host = self._plan.host
        detail: dict[str, Json] = {"why": why, "command": str(rollback)}
        title = "What was lost is replaced"
        yield StepStarted(step=HEAL, title=title, host=host, zone=self._plan.zone, detail=detail)
        began = self._clock.now()
        self.fault_at = None  # healing is bounded by its own limit: a stop condition must not stop it
        try:
            changed = self._acts.do(rollback)
            found = yield from self._await(HEAL, Call("whole", (host,)), began, limit_seconds)
        except OpsError as exc:
            yield StepFailed(step=HEAL, title=title, seconds=self._since(began), error=exc.message, detail=detail)
            raise
        seen = self._clock.now()
        yield StepFinished(
            step=HEAL,
            title=title,
            host=host,
            zone=self._plan.zone,
            seconds=self._since(began),
            changed=changed,
            detail={**detail, "found": found, **self._measured(seen)},
        )

    def _do(self, step: Step, began: datetime) -> bool:
        if step.command.name == "kill_host":
            # Before the act: an act that fails half-way may have done it, and then there is something to heal.
            self._world()
            self.fault_at = self._boundary = began
        return self._acts.do(step.command)

    def _await(self, step: str, expected: Call, began: datetime, limit_seconds: float) -> Generator[Event, None, str]:
        """Look until the probe holds; its finding is the value. Raises Aborted."""
        shown = ""
        while True:
            reading = evaluate(expected, self._world())
            if reading.holds:
                return reading.found
            self._stop_if_due()
            if self._since(began) >= limit_seconds:
                raise Aborted(f"{expected} did not hold within {limit_seconds:.0f} s: {reading.found}")
            if reading.found != shown:
                shown = reading.found
                yield Noted(step=step, message=shown)
            self._clock.sleep(self._plan.poll_seconds)

    def _world(self) -> World:
        group = self._hosts.group(self._plan.of)
        if self._counter is None:
            return World(self._plan.before, group)
        now, counts = self._clock.now(), self._counter.read(self._plan.of)
        if self._first is None:
            self._first, self._failed_at = counts, now
        elif counts.failed > self._counts[-1][1].failed:
            self._failed_at = now
        self._counts.append((now, counts))
        # One reading older than the window stays, so that the window is whole.
        while len(self._counts) > 1 and (now - self._counts[1][0]).total_seconds() >= self._plan.stops.window_seconds:
            self._counts.popleft()
        return World(self._plan.before, group, (now - self._failed_at).total_seconds())

    def _stop_if_due(self) -> None:
        stops = self._plan.stops
        if self.fault_at is None:
            return
        elapsed = self._since(self.fault_at)
        if elapsed >= stops.seconds:
            raise Aborted(f"stopped: not whole {elapsed:.0f} s after the fault, the limit is {stops.seconds:.0f} s")
        if not self._counts:
            return
        window = self._counts[-1][1] - self._counts[0][1]
        if window.sent >= stops.min_requests and window.failed / window.sent > stops.failed_share:
            raise Aborted(
                f"stopped: {window.failed} of the last {window.sent} requests failed, "
                f"more than the {stops.failed_share:.0%} that losing one host explains"
            )

    def _measured(self, seen: datetime) -> dict[str, Json]:
        measured: dict[str, Json] = {}
        if self.fault_at is not None:
            measured["seconds_since_fault"] = round((seen - self.fault_at).total_seconds(), 3)
        if self._first is not None:
            counts = self._counts[-1][1] - self._first
            measured["requests"] = {"sent": counts.sent, "failed": counts.failed}
        return measured

    def _since(self, began: datetime) -> float:
        return round((self._clock.now() - began).total_seconds(), 3)

    def _place(self, step: Step) -> dict[str, str]:
        return {"host": self._plan.host, "zone": self._plan.zone} if step.phase else {}
