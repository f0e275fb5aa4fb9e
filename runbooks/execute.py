"""Follows a runbook: does each step, waits for its probe, measures, and stops when a stop condition holds.

The first step with a phase makes the fault. The phases of the recovery time are the stretches between the instants
at which one probe after the other was seen to hold, counted from the fault: so they add up to it, to the resolution of
one look at the world.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, Json, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.runbooks.acts import COMMANDS, ROLLBACKS, Acts, Hands
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import Call, Step
from quartermaster.runbooks.kind import Kind, Meter
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import PROBES, World, evaluate
from quartermaster.runbooks.scene import look
from quartermaster.runbooks.traffic import Traffic

__all__ = ["HEAL", "Aborted", "Execution"]

HEAL = "heal"
"""Name of the step that puts things right after an abort or an interruption."""


class Aborted(OpsError):
    """The drill stopped short; what it did was taken back, or the message says that it was not."""


class Execution:
    """One drill under way."""

    def __init__(self, plan: DrillPlan, kind: Kind, course: Course, hands: Hands, meter: Meter) -> None:
        self._plan, self._kind, self._course, self._hands = plan, kind, course, hands
        self._acts = Acts(plan, {**COMMANDS, **ROLLBACKS, **kind.commands, **kind.rollbacks}, hands)
        self._probes = {**PROBES, **kind.probes}
        self._meter = meter
        self._clock = hands.clock
        self.fault_at: datetime | None = None
        """When the fault was made."""
        self.started: list[str] = []
        """Steps that began: from then on there may be something to take back."""
        self._boundary: datetime | None = None
        self._traffic = Traffic(hands.counter, plan.counted, plan.stops, hands.clock)
        self._milestones = kind.milestones(plan)
        self._reached: dict[str, dict[str, float | None]] = {
            subject: dict.fromkeys(phases) for subject, phases in self._milestones.items()
        }

    def follow(self, step: Step) -> Iterator[Event]:
        """Do one step. Raises Aborted when its probe does not hold in time or a stop condition does."""
        detail: dict[str, Json] = {
            "phase": step.phase,
            "command": str(step.command),
            "expected": str(step.expected),
            "limit_seconds": step.limit_seconds,
        }
        undo = {"rollback": str(step.rollback)} if step.rollback.name != "nothing" else {}
        try:
            self._acts.require(step.command)
        except OpsError as exc:
            # Not even started: a step that is in the journal as started may have touched the world.
            yield StepFailed(step=step.name, title=step.title, error=exc.message, detail=detail)
            raise
        self.started.append(step.name)
        yield StepStarted(step=step.name, title=step.title, detail=detail, undo=undo, **self._place(step))
        began = self._clock.now()
        try:
            if step.name == self._course.fault:
                # Before the act: an act that fails half-way may have done it, and then there is something to heal.
                self._world()
                self.fault_at = self._boundary = began = self._clock.now()
            done = self._acts.do(step.command)
            found = yield from self._await(step.name, step.expected, began, step.limit_seconds)
        except OpsError as exc:
            seconds, met = self._since(began), {**detail, **self._measured(self._clock.now(), {})}
            yield StepFailed(step=step.name, title=step.title, seconds=seconds, error=exc.message, detail=met)
            raise
        seen = self._clock.now()
        since, self._boundary = self._boundary if step.phase and self._boundary else began, seen
        facts = {} if isinstance(done, bool) else dict(done)
        yield StepFinished(
            step=step.name,
            title=step.title,
            seconds=round((seen - since).total_seconds(), 3),
            changed=done is not False,
            detail={**detail, "found": found, **self._measured(seen, facts)},
            **self._place(step),
        )

    def heal(self, started: Iterable[str], why: str) -> Iterator[Event]:
        """Take back the steps that began, the last one first, and wait until all is as before.

        Nothing where none of them touches anything. Raises Aborted when it does not become so in time.
        """
        named = [self._course.document.step(name).rollback for name in started]
        rollbacks = dict.fromkeys(call for call in reversed(named) if call.name != "nothing")
        if not rollbacks:
            return
        whole = self._course.whole
        detail: dict[str, Json] = {"why": why, "command": "; ".join(map(str, rollbacks)), "expected": str(whole)}
        title = "What the drill did is taken back"
        host, zone = self._plan.host, self._plan.zone
        yield StepStarted(step=HEAL, title=title, host=host, zone=zone, detail=detail)
        began = self._clock.now()
        self.fault_at = None  # healing is bounded by its own limit: a stop condition must not stop it
        try:
            changed = self._roll_back(rollbacks)
            found = yield from self._await(HEAL, whole, began, self._course.heal_seconds)
        except OpsError as exc:
            yield StepFailed(step=HEAL, title=title, seconds=self._since(began), error=exc.message, detail=detail)
            raise
        yield StepFinished(
            step=HEAL,
            title=title,
            seconds=self._since(began),
            changed=changed,
            detail={**detail, "found": found, **self._measured(self._clock.now(), {})},
            host=host,
            zone=zone,
        )

    def _roll_back(self, calls: Iterable[Call]) -> bool:
        """All of them, also after one that fails. Raises the first failure."""
        changed, failures = False, []
        for call in calls:
            try:
                changed |= self._acts.do(call) is not False
            except OpsError as exc:
                failures.append(exc)
        if failures:
            raise failures[0]
        return changed

    def _await(self, step: str, expected: Call, began: datetime, limit_seconds: float) -> Generator[Event, None, str]:
        """Look until the probe holds; its finding is the value. Raises Aborted."""
        shown = ""
        while True:
            world = self._world()
            reading = evaluate(expected, world, self._probes)
            self._reach(world)
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
        hands, before = self._hands, self._plan.before
        extra = self._kind.look(hands, self._plan.of)
        now = look(before.groups, before.databases, hands.hosts, hands.databases, extra)
        return World(self._plan.of, before, now, self._traffic.look(self.fault_at), self._meter.read())

    def _reach(self, world: World) -> None:
        """Note which milestones were reached, each at the first look that showed it."""
        if self.fault_at is None:
            return
        for subject, phases in self._milestones.items():
            reached = self._reached[subject]
            for phase, call in phases.items():
                if reached[phase] is None:
                    if not evaluate(call, world, self._probes).holds:
                        break  # they follow one another
                    reached[phase] = self._since(self.fault_at)

    def _stop_if_due(self) -> None:
        if self.fault_at is None:
            return
        stops, elapsed = self._plan.stops, self._since(self.fault_at)
        if elapsed >= stops.seconds:
            raise Aborted(f"stopped: not whole {elapsed:.0f} s after the fault, the limit is {stops.seconds:.0f} s")
        if why := self._traffic.too_many_failed():
            raise Aborted(f"stopped: {why} that the loss explains")
        if why := self._hands.halted():
            raise Aborted(f"stopped: {why}")

    def _measured(self, seen: datetime, facts: Mapping[str, Json]) -> dict[str, Json]:
        measured: dict[str, Json] = {"facts": {**self._meter.read(), **facts}, **self._traffic.measured()}
        if self.fault_at is not None:
            measured["seconds_since_fault"] = round((seen - self.fault_at).total_seconds(), 3)
        if self._reached and self.fault_at is not None:
            measured["milestones"] = {subject: dict(phases) for subject, phases in self._reached.items()}
        return measured

    def _since(self, began: datetime) -> float:
        return round((self._clock.now() - began).total_seconds(), 3)

    def _place(self, step: Step) -> dict[str, Json]:
        return {"host": self._plan.host, "zone": self._plan.zone} if step.phase else {}
