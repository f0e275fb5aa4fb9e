"""The one calendar of unattended work, and what of it is to be done now. Pure.

Default-deny: what fleet.yaml gives no window is not done by itself, and says so. A job may begin from when its window
opens until the window closes; one that was missed meanwhile is skipped, never made up for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.windows import Window
from quartermaster.planner.drill_schedule import ScheduledDrill

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["MISSED", "Calendar", "Decision", "Job", "calendar", "decide"]

MISSED = {
    "patch": "begun late while its window is open, else skipped until the next one",
    "drill": "begun up to 15 minutes late, else skipped: it is still due, and is given another hour",
    "sync": "begun late within its hour; the next one reads what it missed",
    "drift": "begun late within the morning, else skipped until tomorrow",
    "report": "begun late on its day, else skipped until tomorrow",
}
"""What becomes of a run whose time passed while nobody was there, by kind of job."""

_LATE = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAILY = (("drift", "06:00-12:00", ("provision", "drift", "--exit-code")), ("report", "07:00-24:00", ("report",)))


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one command, to begin between two instants."""

    kind: str
    of: str
    opens_at: datetime
    closes_at: datetime
    command: tuple[str, ...]
    """Of ``ops``, without the common options."""
    resume: tuple[str, ...] = ()
    """What goes on with it, or puts it right, when it was stopped part-way; empty: the command itself."""

    @property
    def subject(self) -> str:
        """What it is, as the journal names it."""
        return f"{self.kind} {self.of}".rstrip()

    @property
    def heals(self) -> bool:
        """Whether ``resume`` puts right what a stopped run left, which is done whatever the hour."""
        return self.kind == "drill"

    @property
    def key(self) -> str:
        """Its name among all jobs there ever are: what has been decided of it is decided once."""
        return f"{self.subject} {self.opens_at.isoformat()}"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "of": self.of,
            "opens_at": self.opens_at.isoformat(),
            "closes_at": self.closes_at.isoformat(),
            "command": list(self.command),
            "resume": list(self.resume),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Job:
        """The job back from its JSON."""
        opens, closes = (datetime.fromisoformat(record[name]) for name in ("opens_at", "closes_at"))
        return cls(record["kind"], record["of"], opens, closes, tuple(record["command"]), tuple(record["resume"]))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The jobs of a stretch of time, and what is not done unattended with the reason."""

    jobs: tuple[Job, ...]
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a job now."""

    job: Job
    act: str
    """run, resume or skip."""
    why: str


def calendar(fleet: Fleet, stack: str, drills: Iterable[ScheduledDrill], start: datetime, end: datetime) -> Calendar:
    """The jobs whose windows are open at any time of ``[start, end)``, in the order in which they open."""
    jobs: list[Job] = []
    left_out: list[tuple[str, str]] = []
    for name, patching in fleet.patching.items():
        if patching.window.always:
            left_out.append((f"patch {name}", "window: always names no hour; give it one, or run it by hand"))
            continue
        for opens, closes in patching.window.occurrences(start, end, fleet.tz):
            if why := _frozen(fleet, opens, closes):
                left_out.append((f"patch {name} {opens.astimezone(fleet.tz):%F}", why))
            else:
                jobs.append(Job("patch", name, opens, closes, ("patch", "run", name), ("patch", "resume", name)))
    for drill in drills:
        if why := _attended(fleet, stack, drill.kind):
            left_out.append((f"drill {drill.kind} {drill.of}", why))
            continue
        named = ("--confirm", stack) if fleet.stacks[stack].protect else ()
        command = ("drill", "run", drill.kind, drill.of, *named)
        until = drill.starts_at + _LATE
        jobs.append(Job("drill", f"{drill.kind} {drill.of}", drill.starts_at, until, command, ("drill", "recover")))
    jobs += _looks(fleet, start, end)
    open_ = [job for job in jobs if job.opens_at < end and job.closes_at > start]
    return Calendar(tuple(sorted(open_, key=lambda job: (job.opens_at, job.subject))), tuple(dict.fromkeys(left_out)))


def decide(jobs: Sequence[Job], states: Mapping[str, str], running: Collection[str], now: datetime) -> list[Decision]:
    """What is to be done now of what the calendar holds.

    ``states`` says by key what has been decided: running, done, failed, skipped or stopped; ``running`` subjects that
    are being worked on, one run each at a time. A clock set back changes nothing: what was decided once stays so.
    """
    busy = set(running)
    found = []
    for job in jobs:
        state = states.get(job.key, "")
        if job.opens_at > now or state not in ("", "stopped"):
            continue
        if now >= job.closes_at and not (state and job.heals):
            if not state:
                found.append(Decision(job, "skip", f"missed: nobody was there from its opening on; {MISSED[job.kind]}"))
        elif job.subject not in busy:
            late = now - job.opens_at
            why = f"{late // timedelta(minutes=1)} minutes after its opening" if late >= timedelta(minutes=1) else "due"
            found.append(Decision(job, "resume" if state else "run", "stopped part-way before" if state else why))
            busy.add(job.subject)
    return found


def _looks(fleet: Fleet, start: datetime, end: datetime) -> Iterator[Job]:
    """What changes nothing and goes on in freezes."""
    if fleet.metrics.demand:
        at = start.replace(minute=0, second=0, microsecond=0)
        while at < end:
            yield Job("sync", "", at, at + _HOUR, ("metrics", "sync"))
            at += _HOUR
    for kind, hours, command in _DAILY:
        for opens, closes in Window.parse(hours).occurrences(start, end, fleet.tz):
            yield Job(kind, "", opens, closes, command)


def _attended(fleet: Fleet, stack: str, kind: str) -> str:
    """Why a drill of the kind is not run unattended; empty where it is."""
    if kind == "tabletop":
        return "it is people who play it"
    if fleet.stacks[stack].protect and kind not in fleet.recovery.allow.get(stack, ()):
        return f"stack {stack} is protected; recovery.allow.{stack} does not name {kind}"
    return ""


def _frozen(fleet: Fleet, opens: datetime, closes: datetime) -> str:
    """The freeze that the window runs into; empty: none."""
    first, last = (at.astimezone(fleet.tz).date() for at in (opens, closes - timedelta(seconds=1)))
    for freeze in fleet.freezes:
        if freeze.from_ <= last and first <= freeze.to:
            return f"frozen from {freeze.from_} to {freeze.to} ({freeze.why or 'freeze'})"
    return ""
