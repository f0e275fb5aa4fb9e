"""Evidence: what a drill proved, read from its plan and its journal alone."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata

from quartermaster.fleet.events import Event, Json, StepFailed, StepFinished, StepStarted
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import PHASES, parse
from quartermaster.runbooks.execute import HEAL
from quartermaster.runbooks.plan import DrillPlan

__all__ = ["DrillResult", "measured"]


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What one drill measured."""

    kind: str
    of: str
    target: str
    rto_seconds: float | None
    """From the fault until all was whole and stayed so; None when the drill was not finished."""
    rto_phases: Mapping[str, float]
    """Seconds of each phase; of a finished drill they add up to ``rto_seconds``."""
    rpo_seconds: float | None
    """Seconds of data lost; None where no data is involved or nobody measured it."""
    requests: Mapping[str, int]
    """sent and failed, from before the fault to the end; zeros where nobody counted."""
    objective_met: bool | None
    """None where no objective is declared."""
    restored: bool
    """Is everything as before."""
    run: str
    evidence: str
    """proven on aws, rehearsed anywhere else: only proven turns an objective green."""
    objective_seconds: float | None
    objective_rpo_seconds: float | None
    scope: str
    way: str
    touched: tuple[str, ...]
    """Hosts and databases that were, or may have been, lost or moved; empty before the fault."""
    host: str
    """The lost one, where it is one."""
    zone: str
    failed: str
    """Why the drill failed; empty when it did not."""
    slowest_ms: float | None
    """The longest response time that the balancer told of at any look; None where nobody told."""
    failing_seconds: tuple[float, float] | None
    """Since the fault, when the first and the last request failed; None when none did."""
    detail: Mapping[str, Json]
    """What only this kind of drill finds."""
    resolution_seconds: float
    """How often the world was looked at: no phase is known better than this."""
    warnings: tuple[str, ...]
    document_sha256: str
    inputs: Mapping[str, str]
    """SHA-256 of what the drill was decided from, by name."""
    version: str
    """Of Quartermaster."""
    software: Mapping[str, str]
    """Versions of what else the result hangs on."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


@dataclass(slots=True)
class _Told:
    """What the events of a run tell, one after the other."""

    phases: dict[str, float] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    failed: str = ""
    touched: bool = False
    restored: bool = True
    last: dict[str, Json] = field(default_factory=dict)
    """The newest of each detail."""
    facts: dict[str, Json] = field(default_factory=dict)

    def hear(self, event: Event, course: Course) -> None:
        """Take one more event in."""
        match event:
            case StepStarted(step=name) if name == HEAL:
                self.failed = self.failed or str(event.detail["why"])
            case StepStarted() if course.touches(event.step):
                self.touched, self.restored = True, False
            case StepFinished():
                self.finished.add(event.step)
                if phase := event.detail.get("phase"):
                    self.phases[phase] = event.seconds
                # Only what looked at everything says that all is as before.
                if event.step in (HEAL, *course.closing):
                    self.restored = True
            case StepFailed():
                self.failed = self.failed or event.error
                self.restored = not self.touched
        self.last |= event.detail
        self.facts |= event.detail.get("facts", {})


def measured(plan: DrillPlan, run_id: str, events: Iterable[Event]) -> DrillResult:
    """The result of the run whose events these are, whole or cut short. Pure but for the versions."""
    document, ran = parse(plan.document), _Told()
    course = Course(document)
    for event in events:
        ran.hear(event, course)
    phases, last, facts = ran.phases, ran.last, ran.facts
    complete = all(step.name in ran.finished for step in document.steps)
    rto = round(sum(phases.values()), 3) if complete and phases else None
    rpo = facts.pop("rpo_seconds", None)
    goal = plan.goal
    failing = last.get("failing_seconds")
    return DrillResult(
        kind=plan.kind,
        of=plan.of,
        target=plan.target,
        rto_seconds=rto,
        rto_phases=phases,
        rpo_seconds=rpo,
        requests=last.get("requests", {"sent": 0, "failed": 0}),
        objective_met=goal.met(rto, rpo, holds_data=plan.of in plan.before.databases) if goal else None,
        restored=ran.restored,
        run=run_id,
        evidence="proven" if plan.target == "aws" else "rehearsed",
        objective_seconds=goal.rto_seconds if goal else None,
        objective_rpo_seconds=goal.rpo_seconds if goal else None,
        scope=plan.scope,
        way=plan.way,
        touched=(*plan.loss.hosts, *plan.loss.databases) if ran.touched else (),
        host=plan.host,
        zone=plan.zone,
        failed=ran.failed or ("" if complete else "the drill was cut short"),
        slowest_ms=last.get("slowest_ms"),
        failing_seconds=tuple(failing) if failing else None,
        detail={**facts, **_subjects(plan, last.get("milestones", {}), rpo)},
        resolution_seconds=plan.poll_seconds,
        warnings=plan.warnings,
        document_sha256=document.sha256,
        inputs={**plan.inputs, "document": document.sha256},
        version=metadata.version("quartermaster"),
        software=_software(plan),
    )


def _subjects(
    plan: DrillPlan, milestones: Mapping[str, Mapping[str, float | None]], rpo: float | None
) -> dict[str, Json]:
    """Recovery time and phases of each of several that one fault hit."""
    found: dict[str, Json] = {}
    for subject, reached in milestones.items():
        phases, before = {}, 0.0
        for phase in PHASES:
            at = reached.get(phase)
            if at is not None:
                phases[phase], before = round(at - before, 3), at
        rto = None if None in reached.values() else before
        goal, holds_data = plan.goals.get(subject), subject in plan.before.databases
        met = goal.met(rto, rpo, holds_data=holds_data) if goal else None
        found[subject] = {"rto_seconds": rto, "rto_phases": phases, "objective_met": met}
    return {"subjects": found} if found else {}


def _software(plan: DrillPlan) -> dict[str, str]:
    databases = {name: state.version for name, state in plan.before.databases.items()}
    return {"python": platform.python_version(), "boto3": metadata.version("boto3"), **databases}
