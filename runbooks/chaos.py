"""A run as a Chaos Toolkit experiment and its journal, in the shapes that chaoslib writes and reads.

https://chaostoolkit.org/reference/api/experiment/ and …/journal/ (format 1.0.0). The experiment can be run: its probe
and its acts are `ops` commands. The drill is one action of it: guards, stop conditions and healing are the drill's own,
and cutting it into actions would leave a fault without them in between. Its steps stand beside that action.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from typing import Any

from quartermaster.fleet.events import Json, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.journal import Recorded, RunRow
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import Document, parse
from quartermaster.runbooks.execute import HEAL
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.steady import steady_step

__all__ = ["experiment", "journal"]

_STATUS = {"done": "completed", "recovered": "aborted", "failed": "aborted"}
"""By state of the run; any other was interrupted."""
_HEALING = 2
"""The drill may take as long again to put right what it did."""


def experiment(row: RunRow) -> dict[str, Json]:
    """The experiment that repeats the run. Raises InputError where it has neither steady state nor fault."""
    plan = DrillPlan.from_json(row.inputs)
    document = parse(plan.document)
    steady = steady_step(plan)
    subject = [plan.kind, plan.of, "--stack", plan.stack]
    how = ["--how", plan.way] if plan.way else []
    longest = _HEALING * sum(step.limit_seconds for step in document.steps)
    # On a protected stack the name must be typed; an experiment that types it by itself would take that away.
    return {
        "version": "1.0.0",
        "title": document.title,
        "description": f"{plan.kind} of {plan.of} on stack {plan.stack} ({plan.target}), as run {row.id} did it",
        "tags": [tag for tag in (plan.kind, plan.scope, plan.target) if tag],
        "steady-state-hypothesis": {
            "title": steady.title,
            "probes": [
                {
                    **_activity(
                        "probe", steady.title, ["runbook", "probe", *subject, "--json"], steady.limit_seconds * 2
                    ),
                    "tolerance": 0,
                }
            ],
        },
        "method": [
            _activity("action", document.title, ["drill", "run", *subject, *how, "--now", "--yes", "--json"], longest)
        ],
        "rollbacks": [
            _activity(
                "action",
                "What a drill that was cut short left is put right",
                ["drill", "recover", "--stack", plan.stack, "--yes", "--json"],
                longest,
            )
        ],
        "extensions": [
            {
                "name": "quartermaster",
                "run": row.id,
                "version": metadata.version("quartermaster"),
                "document_sha256": document.sha256,
                "steps": [
                    {
                        "name": step.name,
                        "title": step.title,
                        "phase": step.phase,
                        "command": str(step.command),
                        "expected": str(step.expected),
                        "limit_seconds": step.limit_seconds,
                        "rollback": str(step.rollback),
                        "owner": step.owner,
                    }
                    for step in document.steps
                ],
            }
        ],
    }


def journal(row: RunRow, recorded: Sequence[Recorded]) -> dict[str, Json]:
    """What the run did, as the journal of its experiment."""
    told = experiment(row)
    document = parse(DrillPlan.from_json(row.inputs).document)
    begun = {one.event.step: one.at for one in reversed(recorded) if isinstance(one.event, StepStarted)}
    ends = [one for one in recorded if isinstance(one.event, StepFinished | StepFailed)]
    ended_at = row.ended_at or (recorded[-1].at if recorded else row.started_at)
    first = next((one for one in ends if one.event.step == document.steps[0].name), None)
    (probe,) = told["steady-state-hypothesis"]["probes"]
    before, after = _state(probe, first, begun), _state(probe, _last_look(document, ends), begun)
    return {
        "chaoslib-version": f"quartermaster {metadata.version('quartermaster')}",
        "platform": row.stack,
        "node": row.host,
        "experiment": told,
        "start": row.started_at.isoformat(),
        "status": "failed" if before and not before["steady_state_met"] else _STATUS.get(row.state, "interrupted"),
        "deviated": bool(after and not after["steady_state_met"]),
        "steady_states": {"before": before, "after": after, "during": []},
        "run": [_action(row, told["method"][0], ended_at, ends, begun)],
        "rollbacks": [],
        "end": ended_at.isoformat(),
        "duration": (ended_at - row.started_at).total_seconds(),
    }


def _activity(kind: str, name: str, arguments: list[str], timeout: float) -> dict[str, Json]:
    provider = {"type": "process", "path": "ops", "arguments": arguments, "timeout": timeout}
    return {"type": kind, "name": name, "provider": provider}


def _last_look(document: Document, ends: list[Recorded]) -> Recorded | None:
    """The last look at everything: of the steps that close the runbook, or of the healing."""
    closing = (HEAL, *Course(document).closing)
    return next((one for one in reversed(ends) if one.event.step in closing), None)


def _state(probe: dict[str, Json], seen: Recorded | None, begun: dict[str, datetime]) -> dict[str, Json] | None:
    """A steady state as it was seen by the step; None when nobody came to look."""
    if seen is None:
        return None
    holds = isinstance(seen.event, StepFinished)
    output = {"status": 0 if holds else 1, "stdout": _found(seen), "stderr": ""}
    span = _span(begun.get(seen.event.step, seen.at), seen.at)
    looked = {"activity": probe, "output": output, "status": "succeeded", **span, "tolerance_met": holds}
    return {"steady_state_met": holds, "probes": [looked]}


def _action(
    row: RunRow, activity: dict[str, Json], ended_at: datetime, ends: list[Recorded], begun: dict[str, datetime]
) -> dict[str, Json]:
    """The drill, with its steps one by one under a key of our own."""
    done = row.state == "done"
    stdout = json.dumps(row.result, default=str)
    return {
        "activity": activity,
        "output": {"status": 0 if done else 1, "stdout": stdout, "stderr": str((row.result or {}).get("failed", ""))},
        "status": "succeeded",
        **_span(row.started_at, ended_at),
        "steps": [
            {
                "name": one.event.step,
                "title": one.event.title,
                "status": "succeeded" if isinstance(one.event, StepFinished) else "failed",
                "output": _found(one),
                "by": one.event.detail.get("by", "ops"),
                "hash": one.hash,
                **_span(begun.get(one.event.step, one.at), one.at),
            }
            for one in ends
        ],
    }


def _found(one: Recorded) -> str:
    event: Any = one.event
    return str(event.detail.get("found", "")) if isinstance(event, StepFinished) else str(event.error)


def _span(start: datetime, end: datetime) -> dict[str, Json]:
    return {"start": start.isoformat(), "end": end.isoformat(), "duration": (end - start).total_seconds()}
