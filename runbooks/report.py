"""The report on drills: what they measured, each number traced to its lines in the journal. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from quartermaster.fleet.chain import CLOSED, OPENED, Broken, Line
from quartermaster.fleet.events import Json, StepFinished, from_record
from quartermaster.fleet.journal import RunRow
from quartermaster.fleet.objectives import SCOPES
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.evidence import measured
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.statistics import statements

__all__ = ["Books", "Drilled", "report"]

_NUMBERS = (
    "rto_seconds", "rto_phases", "rpo_seconds", "requests", "slowest_ms", "failing_seconds", "objective_met", "detail",
    "touched", "restored",
)  # fmt: skip
"""Of a result: what can be read again from the journal."""


_ENDED = ("done", "failed")


@dataclass(frozen=True, slots=True)
class Drilled:
    """One drill as the journal holds it."""

    row: RunRow
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Books:
    """All that the report is made of."""

    fleet: Fleet
    stack: str
    fleet_hash: str
    """SHA-256 of fleet.yaml as it is now."""
    now: datetime
    drills: Sequence[Drilled]
    """Those of the stack that ended, oldest first."""
    lines: int
    """Of the whole journal."""
    head: str
    """Hash of its last line."""
    broken: Broken | None


def report(books: Books) -> dict[str, Json]:
    """``ops drill report --json``."""
    drills, unread = [], []
    for one in books.drills:
        try:
            drills.append(_drill(one))
        except (KeyError, TypeError):  # its plan is of a version that wrote it otherwise
            unread.append(one.row.id)
    _compare(drills)
    broken = books.broken
    return {
        "fleet": books.fleet.fleet,
        "stack": books.stack,
        "target": books.fleet.stacks[books.stack].target,
        "generated_at": books.now.isoformat(),
        "fleet_sha256": books.fleet_hash,
        "journal": {
            "lines": books.lines,
            "hash": books.head,
            "intact": broken is None and all(one["as_journalled"] for one in drills),
            "broken_at": None if broken is None else {"line": broken.line, "why": broken.why},
        },
        "objectives": _objectives(books, drills),
        "overdue": _overdue(books, drills),
        "series": _series(drills),
        "drills": drills[::-1],
        "unread": unread,
    }


def _drill(one: Drilled) -> dict[str, Json]:
    """The result with the lines that each of its numbers comes from."""
    result = dict(one.row.result or {})
    records = [(line, json.loads(line.record or "{}")) for line in one.lines]
    told = [(line, from_record(record)) for line, record in records if "step" in record]
    plan = DrillPlan.from_json(one.row.inputs)
    again = json.loads(json.dumps(measured(plan, one.row.id, [event for _, event in told]).to_json()))
    trace: dict[str, list[dict[str, Json]]] = {}

    def found(what: str, line: Line) -> None:
        trace.setdefault(what, []).append({"seq": line.seq, "hash": line.hash})

    for line, record in records:
        if record["kind"] in (OPENED, CLOSED):
            found("objective" if record["kind"] == OPENED else "result", line)
    for line, event in told:
        if isinstance(event, StepFinished) and event.detail.get("phase"):
            found(f"rto_phases.{event.detail['phase']}", line)
        if "rpo_seconds" in event.detail.get("facts", {}):
            found("rpo_seconds", line)
    for number in ("requests", "slowest_ms", "failing_seconds", "milestones"):
        if lasting := [line for line, event in told if number in event.detail]:
            found(number, lasting[-1])
    return {
        **result,
        "run": one.row.id,
        "state": one.row.state,
        "at": one.row.started_at.isoformat(),
        "by": one.row.owner,
        "journal_hash": one.lines[-1].hash if one.lines else "",
        "as_journalled": all(again.get(number) == result.get(number) for number in _NUMBERS),
        "trace": trace,
        "settings": _settings(plan),
        "changed": {},
    }


def _settings(plan: DrillPlan) -> dict[str, Json]:
    """How what was drilled was set."""
    groups, databases = plan.before.groups.items(), plan.before.databases.items()
    return {
        **{f"{name} {what}": getattr(group, what) for name, group in groups for what in ("min", "max", "desired")},
        **{f"{name} zones": len(group.zones) for name, group in groups},
        **{f"{name} standby": state.multi_az for name, state in databases},
        **{f"{name} settings": state.parameter_group for name, state in databases},
        "way": plan.way,
    }


def _compare(drills: Sequence[dict[str, Json]]) -> None:
    """Write into each drill what is otherwise than in the one before it of the same kind and subject."""
    before: dict[tuple[str, str, str], dict[str, Json]] = {}
    for one in drills:
        facts = _facts(one)
        earlier = before.get(_series_of(one))
        if earlier is not None:
            names = sorted(facts.keys() | earlier.keys())
            one["changed"] = {
                name: [earlier.get(name), facts.get(name)] for name in names if earlier.get(name) != facts.get(name)
            }
        before[_series_of(one)] = facts


def _facts(one: Mapping[str, Any]) -> dict[str, Json]:
    """What a drill's result may hang on."""
    return {
        "quartermaster": one.get("version"),
        "objective RTO (s)": one.get("objective_seconds"),
        "objective RPO (s)": one.get("objective_rpo_seconds"),
        **one["settings"],
        **{f"version of {name}": value for name, value in (one.get("software") or {}).items()},
        **{f"SHA-256 of {name}": value for name, value in (one.get("inputs") or {}).items() if name != "document"},
    }


def _series_of(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(one.get("kind")), str(one.get("of")), str(one.get("target"))


def _series(drills: Iterable[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """Trend and claims of each kind of drill of each subject on each target."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in drills:
        if one.get("rto_seconds") is not None and one["as_journalled"]:
            found.setdefault(_series_of(one), []).append(one)
    return [
        {
            "kind": kind,
            "of": of,
            "target": target,
            "objective_seconds": ones[-1].get("objective_seconds"),
            "points": [
                {"run": one["run"], "at": one["at"], "rto_seconds": one["rto_seconds"], "rto_phases": one["rto_phases"]}
                for one in ones
            ],
            "claims": list(statements([one["rto_seconds"] for one in ones])),
        }
        for (kind, of, target), ones in sorted(found.items())
    ]


def _objectives(books: Books, drills: Sequence[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """Each declared objective with the last drill of its scope: green only where that was on AWS and met it."""
    found = []
    for name, objectives in books.fleet.recovery.objectives.items():
        for scope in SCOPES:
            aim = getattr(objectives, scope)
            if aim is None:
                continue
            last = next((one for one in reversed(drills) if _is_about(one, name, scope)), None)
            found.append(
                {
                    "name": name,
                    "scope": scope,
                    "rto_seconds": aim.rto.total_seconds(),
                    "rpo_seconds": None if aim.rpo is None else aim.rpo.total_seconds(),
                    "state": _state(last, name),
                    "run": last and last["run"],
                    "at": last and last["at"],
                    "trace": last["trace"] if last else {},
                    "fleet_changed": last is not None and books.fleet_hash not in (last.get("inputs") or {}).values(),
                }
            )
    return found


def _is_about(one: Mapping[str, Any], name: str, scope: str) -> bool:
    """Whether it tells of that objective: of its own subject, or of one that the same fault hit.

    One that was interrupted tells nothing of a recovery; one that was aborted does.
    """
    return one["state"] in _ENDED and one.get("scope") == scope and (one.get("of") == name or name in _hit(one))


def _hit(one: Mapping[str, Any]) -> Mapping[str, Any]:
    subjects: Mapping[str, Any] = (one.get("detail") or {}).get("subjects", {})
    return subjects


def _state(last: Mapping[str, Any] | None, name: str) -> str:
    """met (on AWS), rehearsed (met elsewhere), missed, or none; doubtful where the journal tells otherwise."""
    if last is None:
        return "none"
    if not last["as_journalled"]:
        return "doubtful"
    met = last["objective_met"] if last["of"] == name else _hit(last)[name]["objective_met"]
    if not met:
        return "missed"
    return "met" if last["evidence"] == "proven" else "rehearsed"


def _overdue(books: Books, drills: Sequence[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """Each declared drill whose last evidence is older than it may be, or that has none."""
    found = []
    for declared in books.fleet.recovery.drills:
        done = [one for one in drills if (one.get("kind"), one.get("of")) == (declared.kind, declared.of)]
        whole = [one for one in done if one["state"] == "done" and one["as_journalled"]]
        last = datetime.fromisoformat(whole[-1]["at"]) if whole else None
        late = None if last is None else books.now - last - timedelta(days=declared.every_days)
        if late is None or late > timedelta(0):
            found.append(
                {
                    "kind": declared.kind,
                    "of": declared.of,
                    "every_days": declared.every_days,
                    "last_at": last and last.isoformat(),
                    "days_late": None if late is None else round(late / timedelta(days=1), 1),
                }
            )
    return found
