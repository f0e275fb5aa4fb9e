"""Carrying the maintenance of a database out, measured by writes; taking a stopped run up again, or giving it up.

RDS does an act in its own time and cannot be stopped. Whether an act is done, the world says: another zone, another
version, settings that wait no more, an action that is pending no more. So a kill in the middle repeats none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from quartermaster.fleet.clock import Clock, SystemClock
from quartermaster.fleet.errors import GuardRefused, OpsError, Stopped
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.write_probe import Probe, Writer
from quartermaster.playbooks.database_plan import Act, DatabasePlan, Instance
from quartermaster.playbooks.database_result import planned
from quartermaster.playbooks.database_world import Server

__all__ = ["Tools", "recover", "resume", "run"]

_AGAIN = 3
"""Confirmed writes after an act: only then it is over for those who write."""
_LATE = timedelta(minutes=30)
_AT_WORK = ("shutdown", "failover", "restarted", "upgrade", "patching", "maintenance")
"""Words of events that tell that RDS does what it was told.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html"""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    server: Server
    writer: Writer | None = None
    """None: there is no way to write from here, and RDS's own events tell how long a failover took."""
    asked: Callable[[], str] = lambda: ""
    """What somebody wants of the run: pause or abort, heeded between two acts; or nothing."""
    clock: Clock = field(default_factory=SystemClock)
    poll_seconds: float = 2.0
    begin_seconds: float = 30.0
    """Until RDS shows that it has begun what it was told."""
    act_seconds: float = 3600.0
    """Until an act is over."""


def run(plan: DatabasePlan, tools: Tools) -> Iterator[Event]:
    """Carry the plan out. Changes the database. Raises GuardRefused, nothing done, when the world has moved."""
    yield _started(plan, f"maintain {plan.database}")
    yield from _Maintenance(plan, tools, frozenset()).go(fresh=True)


def resume(events: Iterable[Event], tools: Tools, *, ends_at: datetime | None = None) -> Iterator[Event]:
    """Go on with a run that its journal tells of. What is done is left; what RDS is at is waited for.

    ``ends_at``: the end of the window that is open now; the one that the plan names may have passed.
    """
    rows = list(events)
    plan = replace(planned(rows), ends_at=ends_at)
    yield _started(plan, f"go on maintaining {plan.database}")
    fresh = not any(row.step == "preflight" and isinstance(row, StepFinished) for row in rows)
    yield from _Maintenance(plan, tools, _done(rows), _before(rows)).go(fresh=fresh)


def recover(events: Iterable[Event], tools: Tools) -> Iterator[Event]:
    """Give a run up: what RDS is at is waited for, and the probe's table goes. No act is begun."""
    plan = planned(list(events))
    yield StepStarted(step="recover", title=f"leave {plan.database} as it is")
    yield from _Maintenance(plan, tools, frozenset()).settle()
    if tools.writer is not None:
        tools.writer.drop()
    yield StepFinished(step="recover")


class _Maintenance:
    """One pass over what is left of a plan."""

    def __init__(
        self, plan: DatabasePlan, tools: Tools, done: frozenset[str], before: dict[str, Any] | None = None
    ) -> None:
        self._plan, self._tools, self._done = plan, tools, done
        self._server, self._clock = tools.server, tools.clock
        self._before = before or {}
        """What the database was before the act that an earlier pass began: {step, zone, version, told}."""

    def go(self, *, fresh: bool) -> Iterator[Event]:
        state, why, acts = "done", "", [act for act in self._plan.acts if act.step not in self._done]
        if fresh and acts:
            yield from self._preflight()
        yield from self.settle()
        probe = yield from self._probe(acts)
        try:
            for act in acts:
                if halted := self._halted():
                    state, why = halted
                    break
                yield from self._act(act, probe)
        except OpsError as error:
            yield from self._measured(probe)
            yield StepFinished(step="database", detail={"state": "stopped", "why": error.message})
            remedy = f"ops patch resume {self._plan.database}, or ops patch recover {self._plan.database}"
            raise Stopped(error.message, remedy=remedy) from error
        finally:
            if probe is not None:
                probe.halt()
        yield from self._measured(probe)
        yield StepFinished(step="database", detail={"state": state, "why": why}, changed=bool(acts))

    def settle(self) -> Iterator[Event]:
        """Wait until RDS is at nothing any more."""
        found = self._server.read()
        if found.status != "available":
            yield StepStarted(step="settle", title=f"{self._plan.database} is {found.status}")
            self._until(lambda: self._server.read().status == "available", self._tools.act_seconds, "to be available")
            yield StepFinished(step="settle")

    def _preflight(self) -> Iterator[Event]:
        yield StepStarted(step="preflight")
        found = self._server.read()
        planned = (self._plan.zone, self._plan.version, "available")
        if (found.zone, found.version, found.status) != planned:
            error = f"the database is no longer as planned: in {found.zone}, of {found.version}, {found.status}"
            yield StepFailed(step="preflight", error=error)
            raise GuardRefused(error, remedy="plan again")
        yield StepFinished(step="preflight", changed=False)

    def _probe(self, acts: list[Act]) -> Generator[Event, None, Probe | None]:
        """The generator's value: writes under way, or None where there are none to make."""
        if self._tools.writer is None or not acts:
            return None
        yield StepStarted(step="probe", title="write now and then", undo={"drop": "the probe's table"})
        probe = Probe(self._tools.writer)
        probe.start()
        yield StepFinished(step="probe")
        return probe

    def _halted(self) -> tuple[str, str] | None:
        asked, ends = self._tools.asked(), self._plan.ends_at
        if asked:
            return ("aborted", "aborted by hand") if asked == "abort" else ("stopped", "paused by hand")
        if ends and self._clock.now() >= ends:
            return "stopped", f"the window ended at {ends:%H:%M %Z}"
        return None

    def _act(self, act: Act, probe: Probe | None) -> Iterator[Event]:
        begun, before = time.monotonic(), self._before if self._before.get("step") == act.step else {}
        if not before:
            found = self._server.read()
            before = {"zone": found.zone, "version": found.version, "told": self._told()}
        yield StepStarted(step=act.step, title=f"{act.name}: {act.why}", detail=before)
        idle = self._over(act, before["zone"])
        if not idle and not self._was_ordered(act, before):
            self._server.do(act)
        self._until(lambda: self._over(act, before["zone"]), self._tools.act_seconds, f"for {act.name}")
        if probe is not None:
            wanted = probe.confirmed() + _AGAIN
            self._until(lambda: probe.confirmed() >= wanted, self._tools.act_seconds, "to confirm writes again")
        after = self._server.read()
        yield StepFinished(
            step=act.step,
            title=act.name,
            seconds=round(time.monotonic() - begun, 3),
            changed=not idle or bool(self._before),
            detail={
                "zone": after.zone,
                "version": after.version,
                "moved": after.zone != before["zone"],
                "event_seconds": _between(self._news(before)),
            },
        )

    def _was_ordered(self, act: Act, before: Mapping[str, Any]) -> bool:
        """Whether an earlier pass came to order the act. RDS may show what it was told a little later."""
        if self._before.get("step") != act.step:
            return False
        until = time.monotonic() + self._tools.begin_seconds
        while not (seen := self._shows(act, before)) and time.monotonic() < until:
            self._clock.sleep(self._tools.poll_seconds)
        return seen

    def _shows(self, act: Act, before: Mapping[str, Any]) -> bool:
        found = self._server.read()
        told = any(word in message for _, message in self._news(before) for word in _AT_WORK)
        return found.status != "available" or _is_done(act, found, before["zone"]) or told

    def _told(self) -> list[list[str]]:
        """RDS's events of late, as text: from long enough ago that its clock and ours may differ."""
        return [[at.isoformat(), message] for at, message in self._server.events(self._clock.now() - _LATE)]

    def _news(self, before: Mapping[str, Any]) -> list[tuple[datetime, str]]:
        """The events since an act was begun: those that were not told before it."""
        return [(datetime.fromisoformat(at), said) for at, said in self._told() if [at, said] not in before["told"]]

    def _over(self, act: Act, zone: str) -> bool:
        found = self._server.read()
        return found.status == "available" and _is_done(act, found, zone)

    def _measured(self, probe: Probe | None) -> Iterator[Event]:
        if probe is None or self._tools.writer is None:
            return
        yield StepStarted(step="measure")
        try:
            found = probe.stop()
            self._tools.writer.drop()
        except OpsError as error:
            yield StepFailed(step="measure", error=error.message)
            return
        yield StepFinished(step="measure", changed=False, detail=asdict(found))
        if found.lost:
            lost = f"{found.lost} writes that the database had confirmed are not there"
            yield Noted(step="measure", message=lost, level="warning")

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise Stopped(
                    f"{self._plan.database} took more than {seconds:g} s {what}",
                    remedy=f"look at it, then ops patch resume {self._plan.database}",
                )
            self._clock.sleep(self._tools.poll_seconds)


def _between(news: list[tuple[datetime, str]]) -> float | None:
    """Seconds that RDS says the database was away; None when it does not tell. Pure."""
    for began, ended in (("failover started", "failover completed"), ("shutdown", "restarted")):
        begun = [at for at, message in news if began in message]
        over = [at for at, message in news if ended in message]
        if begun and over:
            return round((over[-1] - begun[0]).total_seconds(), 3)
    return None


def _is_done(act: Act, found: Instance, zone: str) -> bool:
    """Whether the world shows the act done to a database that was in that zone before. Pure."""
    if act.kind == "maintenance":
        return act.name not in found.actions
    if act.kind == "upgrade":
        return found.version == act.name
    return not found.pending_reboot or (act.name == "failover" and found.zone != zone)


def _started(plan: DatabasePlan, title: str) -> StepStarted:
    return StepStarted(step="database", title=title, detail={"plan": plan.to_json()})


def _done(rows: list[Event]) -> frozenset[str]:
    return frozenset(row.step for row in rows if isinstance(row, StepFinished) and ":" in row.step)


def _before(rows: list[Event]) -> dict[str, Any]:
    """What the database was before the last act that was begun; empty when none was."""
    begun = [row for row in rows if isinstance(row, StepStarted) and ":" in row.step]
    return {"step": begun[-1].step, **begun[-1].detail} if begun else {}
