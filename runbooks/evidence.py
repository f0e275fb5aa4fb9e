"""Evidence: what a drill proved, read from its plan and its journal alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata

from quartermaster.fleet.events import Event, Json, StepFailed, StepFinished, StepStarted
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
    """None: losing a host that holds no data loses none."""
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
    scope: str
    host: str
    failed: str
    """Why the drill failed; empty when it did not."""
    resolution_seconds: float
    """How often the world was looked at: no phase is known better than this."""
    warnings: tuple[str, ...]
    document_sha256: str
    version: str
    """Of Quartermaster."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


def measured(plan: DrillPlan, run_id: str, events: Iterable[Event]) -> DrillResult:
    """The result of the run whose events these are, whole or cut short. Pure."""
    document = parse(plan.document)
    phases: dict[str, float] = {}
    requests = {"sent": 0, "failed": 0}
    finished: set[str] = set()
    failed = ""
    touched, restored = False, True
    for event in events:
        match event:
            case StepStarted(step=name) if name == HEAL:
                failed = failed or str(event.detail["why"])
            case StepStarted() if str(event.detail.get("command", "")).startswith("kill_host"):
                touched, restored = True, False
            case StepFinished():
                finished.add(event.step)
                if phase := event.detail.get("phase"):
                    phases[phase] = event.seconds
                # Only what looked at the whole group says that it is whole.
                if event.step == HEAL or str(event.detail.get("expected", "")).startswith(("whole", "calm")):
                    restored = True
            case StepFailed():
                failed = failed or event.error
                restored = not touched
        requests = dict(event.detail.get("requests", requests))
    complete = all(step.name in finished for step in document.steps)
    rto = round(sum(phases[phase] for phase in PHASES), 3) if complete else None
    met = None if plan.objective_seconds is None else rto is not None and rto <= plan.objective_seconds
    return DrillResult(
        kind=plan.kind,
        of=plan.of,
        target=plan.target,
        rto_seconds=rto,
        rto_phases=phases,
        rpo_seconds=None,
        requests=requests,
        objective_met=met,
        restored=restored,
        run=run_id,
        evidence="proven" if plan.target == "aws" else "rehearsed",
        objective_seconds=plan.objective_seconds,
        scope=document.head.get("scope", ""),
        host=plan.host,
        failed=failed or ("" if complete else "the drill was cut short"),
        resolution_seconds=plan.poll_seconds,
        warnings=plan.warnings,
        document_sha256=document.sha256,
        version=metadata.version("quartermaster"),
    )
