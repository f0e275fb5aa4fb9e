"""One scheduler among those of a stack: who leads, what is due, what became of what was begun.

A turn reads the clock once and does what there is to do then; nothing waits. All that it knows is in the journal: kind
``calendar`` has the jobs of a day as they were planned, kind ``job`` each run of one, or that it was skipped. So who
takes over goes on with the same calendar.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from quartermaster.cli.output import say
from quartermaster.fleet.errors import LeaseHeld, LeaseLost, OpsError
from quartermaster.fleet.events import Json, Noted, StepStarted
from quartermaster.fleet.journal import Journal, Run, RunRow
from quartermaster.planner.jobs import Calendar, Decision, Job, decide

if TYPE_CHECKING:
    from quartermaster.fleet.leases import Lease, Leases

__all__ = ["Begun", "Ended", "Scheduler", "World"]

_STATES = {0: "done", 3: "done", 4: "stopped", 130: "stopped", -2: "stopped"}
"""Of a job by exit status: 3 says that there is drift, 130 and -2 that SIGINT stopped it. All others: failed."""
_LOOKED_BACK = timedelta(days=7)
"""For what was missed."""
_REMEMBERED = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    status: int
    result: Json
    """What it wrote to stdout; None where that is no JSON."""
    error: str
    """The end of what it said."""


class Begun(Protocol):
    """A command under way."""

    @property
    def process(self) -> tuple[int, str]:
        """Its pid, and when it was started."""
        ...

    def ended(self) -> Ended | None:
        """What it came to; None while it runs."""
        ...

    def stop(self) -> None:
        """Ask it to stop where it can go on later."""
        ...


class World(Protocol):
    """What a scheduler asks of the world; tests have one of their own."""

    journal: Journal
    leases: Leases

    def now(self) -> datetime: ...
    def file(self) -> bytes:
        """fleet.yaml as it is now."""
        ...

    def calendar(self, start: datetime, end: datetime) -> Calendar:
        """The jobs of that time, decided now. Raises OpsError where the file has faults."""
        ...

    def midnight(self, at: datetime) -> datetime:
        """The next local midnight after the instant."""
        ...

    def begin(self, command: Sequence[str]) -> Begun: ...
    def alive(self, pid: int, started: str) -> bool:
        """Whether that very process runs on this machine."""
        ...


@dataclass(frozen=True, slots=True)
class _Work:
    """A job that this scheduler began."""

    job: Job
    run: Run
    begun: Begun
    resumes: bool


@dataclass(slots=True)
class Scheduler:
    """One of the schedulers of a stack. ``turn`` often, ``stop`` once."""

    world: World
    stack: str
    _held: ExitStack = field(default_factory=ExitStack)
    _lease: Lease | None = None
    _begun: dict[str, _Work] = field(default_factory=dict)
    _orphans: dict[str, tuple[Job, RunRow]] = field(default_factory=dict)
    """Runs that a former leader began and that go on without it."""
    _states: dict[str, str] = field(default_factory=dict)
    """What was decided, by key of the job."""
    _jobs: tuple[Job, ...] = ()
    _until: datetime | None = None
    """From then on there is no calendar yet."""
    _file: str = ""
    _stops: bool = False
    _waits: str = ""
    """What was said last, so as to say it once."""

    @property
    def leads(self) -> bool:
        return self._lease is not None

    @property
    def busy(self) -> bool:
        """Whether commands that it began still run."""
        return bool(self._begun)

    def turn(self) -> None:
        """Lead if nobody else does; write down what ended; plan the day; begin what is due, skip what was missed."""
        now = self.world.now()
        leads = self._leading()
        self.reap()
        if not leads:
            return
        self._plan(now)
        missed: dict[str, list[Decision]] = defaultdict(list)
        running = {work.job.subject for work in self._begun.values()}
        running |= {job.subject for job, _ in self._orphans.values()}
        for decision in decide(self._jobs, self._states, running, now):
            if decision.act == "skip":
                missed[decision.job.subject].append(decision)
            else:
                self._begin(decision)
        for decisions in missed.values():
            self._skip(decisions)

    def stop(self) -> None:
        """Ask what runs to stop; go on with ``reap`` until nothing is busy, then ``leave``."""
        self._stops = True
        for work in self._begun.values():
            say(f"stopping {work.job.subject}")
            work.begun.stop()

    def leave(self) -> None:
        """Let another lead."""
        self._lease = None
        self._held.close()

    def _leading(self) -> bool:
        """Whether this one leads; takes the lease when it is free. Who loses it takes no more decisions."""
        try:
            if self._lease is None:
                scope = f"scheduler of {self.stack}"
                self._lease = self._held.enter_context(self.world.leases.hold([scope], run=f"scheduler-{self.stack}"))
                self._take_over()
                say(f"leads the schedule of {self.stack}")
            self._lease.renew()
        except LeaseHeld as held:
            if not self._waits:
                say(f"standby: {held.message}")
            self._waits = held.message
        except LeaseLost as lost:
            say(f"no longer leads: {lost.message}")
            self.leave()
        else:
            self._waits = ""
        return self._lease is not None

    def _take_over(self) -> None:
        """Read what was planned and decided, and look after what a former leader had begun."""
        self._states, self._jobs, self._until, self._file = {}, (), None, ""
        since = self.world.now() - _REMEMBERED
        for row in reversed(self.world.journal.runs("job", stack=self.stack, since=since)):
            for record in row.inputs["jobs"]:
                job = Job.from_json(record)
                # With a clock set back in between, what went on with a stopped run may stand before it.
                if row.state != "stopped" or job.key not in self._states:
                    self._states[job.key] = row.state
                if row.state == "running" and job.key not in self._begun:
                    self._orphans[job.key] = (job, row)
        planned = self.world.journal.runs("calendar", stack=self.stack, limit=1)
        if planned:
            inputs = planned[0].inputs
            self._jobs = tuple(Job.from_json(record) for record in inputs["jobs"])
            self._until, self._file = datetime.fromisoformat(inputs["until"]), inputs["file"]

    def _plan(self, now: datetime) -> None:
        """A calendar a day, and when fleet.yaml changes. What was missed since the last one is in the next, too."""
        file = hashlib.sha256(self.world.file()).hexdigest()
        if self._until is not None and now < self._until and file == self._file:
            return
        # A clock set back plans nothing again: the day is planned.
        since = now if self._until is None else max(min(self._until, now), now - _LOOKED_BACK)
        until = self.world.midnight(now)
        try:
            made = self.world.calendar(since, until)
        except OpsError as error:
            if self._waits != error.message:
                say(f"the calendar stays as it is: {error.message}")
            self._waits = error.message
            return
        jobs = {job.key: job for job in (*made.jobs, *(job for job in self._jobs if self._left_over(job, now)))}
        self._jobs, self._until, self._file = tuple(jobs.values()), until, file
        inputs = {"jobs": [job.to_json() for job in self._jobs], "until": until.isoformat(), "file": file}
        run = self.world.journal.start("calendar", stack=self.stack, inputs=inputs)
        run.finish("done", {"jobs": len(self._jobs), "left_out": [list(item) for item in made.left_out]})
        for what, why in made.left_out:
            say(f"not done unattended: {what}: {why}")

    def _left_over(self, job: Job, now: datetime) -> bool:
        """Whether something is to be decided yet of a job that the next calendar may not have."""
        state = self._states.get(job.key, "")
        if state in ("running", "stopped"):
            return job.heals or job.closes_at > now
        return not state and job.opens_at < now and (job.closes_at <= now or job.heals)

    def _begin(self, decision: Decision) -> None:
        """Write it down, then begin it."""
        job, resumes = decision.job, decision.act == "resume"
        command = job.resume if resumes and job.resume else job.command
        run = self._written([job], {"why": decision.why, "command": list(command)})
        steps = run.record(iter([StepStarted(step="job", title=job.subject)]))
        next(steps)
        begun = self.world.begin(command)
        pid, started = begun.process
        note = Noted(step="job", message=f"pid {pid}", level="debug", detail={"pid": pid, "started": started})
        next(run.record(iter([note])))
        self._states[job.key] = "running"
        self._begun[job.key] = _Work(job, run, begun, resumes)
        say(f"began {job.subject}: {decision.why}")

    def _skip(self, decisions: Sequence[Decision]) -> None:
        """Missed runs of one job, in one line of the journal."""
        jobs = [decision.job for decision in decisions]
        self._written(jobs, {"why": decisions[0].why}).finish("skipped", {"missed": len(jobs)})
        self._states |= {job.key: "skipped" for job in jobs}
        say(f"skipped {jobs[0].subject}, {len(jobs)} times: {decisions[0].why}")

    def _written(self, jobs: Sequence[Job], more: dict[str, Json]) -> Run:
        inputs = {"jobs": [job.to_json() for job in jobs], **more}
        return self.world.journal.start("job", stack=self.stack, subject=jobs[0].subject, inputs=inputs)

    def reap(self) -> None:
        """Write down what ended."""
        for key, work in list(self._begun.items()):
            if (ended := work.begun.ended()) is not None:
                del self._begun[key]
                state = _STATES.get(ended.status, "failed")
                if state == "stopped" and work.resumes and not self._stops:
                    state = "failed"  # it was gone on with, and stopped again: the rest is for a person
                self._states[key] = state
                result = {"status": ended.status, "result": ended.result}
                work.run.finish(state, result if state == "done" else {**result, "error": ended.error})
                say(f"{work.job.subject}: {state}")
        for key, (job, row) in list(self._orphans.items()):
            if self.leads and not self._goes_on(row):
                del self._orphans[key]
                self._states[key] = "stopped"
                error = "its scheduler ended while it ran"
                self.world.journal.resume(row.id).finish("stopped", {"error": error})
                say(f"{job.subject}: {error}")

    def _goes_on(self, row: RunRow) -> bool:
        """Whether a command that a former leader began still runs, as far as can be told from here."""
        noted = [item.event.detail for item in self.world.journal.events(row.id, step="job") if item.event.detail]
        return any(self.world.alive(detail["pid"], detail["started"]) for detail in noted)
