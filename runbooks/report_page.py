"""The report on drills as one self-contained HTML page. Pure; the template holds no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import jinja2

from quartermaster.fleet.durations import measured
from quartermaster.fleet.reach import as_declared
from quartermaster.runbooks.document import PHASES
from quartermaster.runbooks.render import DOCUMENTS

__all__ = ["render_report"]

_BARS = 12
"""The last drills of a series that the trend shows."""
_STATES = {
    "met": ("met", "good", "on AWS, by the last drill"),
    "rehearsed": ("rehearsed", "soft", "met on the local cloud, which proves nothing about AWS"),
    "missed": ("missed", "bad", "by the last drill"),
    "doubtful": ("doubtful", "bad", "the result is not what its journal tells"),
    "none": ("no evidence", "warn", "no drill of this scope has ended"),
}


@dataclass(frozen=True, slots=True)
class _Piece:
    phase: str
    percent: float
    told: str


@dataclass(frozen=True, slots=True)
class _Bar:
    """One drill of a trend; heights in percent of the tallest."""

    day: str
    told: str
    seconds: str
    percent: float
    pieces: tuple[_Piece, ...]


def render_report(document: Mapping[str, Any], zone: tzinfo = UTC) -> str:
    """The page of ``report.report``; nothing in it is fetched from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DOCUMENTS), undefined=jinja2.StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    objectives = [_objective(one, zone) for one in document["objectives"]]
    counts = {state: sum(one["state"] == state for one in document["objectives"]) for state in _STATES}
    return environment.get_template("report.html.j2").render(
        fleet=document["fleet"],
        stack=document["stack"],
        target=document["target"],
        generated=_when(document["generated_at"], zone),
        fleet_hash=document["fleet_sha256"],
        journal=document["journal"],
        phases=PHASES,
        objectives=objectives,
        cards=[(str(count), *_STATES[state]) for state, count in counts.items() if count],
        overdue=[_late(one, zone) for one in document["overdue"]],
        series=[_series(one, zone) for one in document["series"]],
        drills=[_drill(one, zone) for one in document["drills"]],
        unread=document["unread"],
    )


def _objective(one: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    word, style, why = _STATES[one["state"]]
    return {
        "name": one["name"],
        "scope": _words(one["scope"]),
        "aim": _wanted(one["rto_seconds"], one["rpo_seconds"]),
        "word": word,
        "style": style,
        "why": why,
        "run": one["run"] or "",
        "when": _when(one["at"], zone) if one["at"] else "",
        "changed": one["fleet_changed"],
    }


def _late(one: Mapping[str, Any], zone: tzinfo) -> dict[str, str]:
    since = "never run to its end" if one["last_at"] is None else f"last on {_when(one['last_at'], zone)}"
    late = "" if one["days_late"] is None else f", {one['days_late']:g} days late"
    return {
        "what": f"{_words(one['kind'])} of {one['of']}",
        "every": f"every {one['every_days']} days",
        "why": since + late,
    }


def _series(one: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    points = one["points"][-_BARS:]
    aim = one["objective_seconds"]
    top = max([point["rto_seconds"] for point in points] + ([aim] if aim is not None else []), default=0) or 1.0
    return {
        "title": f"{_words(one['kind']).capitalize()} of {one['of']}",
        "target": one["target"],
        "rehearsed": one["target"] != "aws",
        "bars": [_bar(point, top, zone) for point in points],
        "aim": "" if aim is None else as_declared(aim),
        "aim_percent": None if aim is None else round(100 * aim / top, 2),
        "claims": one["claims"],
    }


def _bar(point: Mapping[str, Any], top: float, zone: tzinfo) -> _Bar:
    pieces = tuple(
        _Piece(phase, round(100 * seconds / top, 3), f"{phase} {measured(seconds)}")
        for phase, seconds in point["rto_phases"].items()
    )
    at = datetime.fromisoformat(point["at"]).astimezone(zone)
    told = f"{_when(point['at'], zone)}: {measured(point['rto_seconds'])}"
    seconds = point["rto_seconds"]
    return _Bar(f"{at:%d %b}", told, measured(seconds), round(100 * seconds / top, 3), pieces)


def _drill(one: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    requests, slowest = one.get("requests") or {"sent": 0, "failed": 0}, one.get("slowest_ms")
    met, trace = one.get("objective_met"), one["trace"]
    outcome = {None: "no objective declared", True: "objective met", False: "objective missed"}[met]
    failing = one.get("failing_seconds")
    phases, subjects = one.get("rto_phases") or {}, (one.get("detail") or {}).get("subjects", {})
    whole = sum(phases.values()) or 1.0

    def of_phase(phase: str) -> list[Mapping[str, Any]]:
        return list(trace.get(f"rto_phases.{phase}", []))

    numbers = [
        ("RTO", measured(one.get("rto_seconds")), [ref for phase in phases for ref in of_phase(phase)]),
        *((f"· {phase}", measured(value), of_phase(phase)) for phase, value in phases.items()),
        *((f"RTO of {name}", _subject(found), trace.get("milestones", [])) for name, found in subjects.items()),
        ("RPO", _rpo(one), trace.get("rpo_seconds", [])),
        ("requests failed", f"{requests['failed']:,} of {requests['sent']:,}" if requests["sent"] else "not counted",
         trace.get("requests", [])),
        ("slowest answer", "not told" if slowest is None else f"{slowest:,.0f} ms", trace.get("slowest_ms", [])),
        ("failing", "none" if not failing else f"{failing[0]:.1f} s to {failing[1]:.1f} s after the fault",
         trace.get("failing_seconds", [])),
        ("objective", _aim(one), trace.get("objective", [])),
        ("result", outcome, trace.get("result", [])),
    ]  # fmt: skip
    return {
        "run": one["run"],
        "title": f"{_words(str(one.get('kind')))} of {one.get('of')}",
        "when": _when(one["at"], zone),
        "by": one["by"],
        "state": one["state"],
        "rto": measured(one.get("rto_seconds")),
        "outcome": outcome,
        "style": "soft" if met is None else "bad" if not met else "good" if one.get("evidence") == "proven" else "soft",
        "rehearsed": one.get("evidence") != "proven",
        "restored": "everything as before" if one.get("restored") else "not restored",
        "failed": one.get("failed") or "",
        "as_journalled": one["as_journalled"],
        "phases": [(phase, measured(value), round(100 * value / whole, 2)) for phase, value in phases.items()],
        "numbers": numbers,
        "touched": ", ".join(one.get("touched") or ()) or "nothing",
        "versions": {"quartermaster": one.get("version"), **(one.get("software") or {})},
        "hashes": {**(one.get("inputs") or {}), "journal, last line": one["journal_hash"]},
        "changed": [(name, _short(old), _short(new)) for name, (old, new) in one["changed"].items()],
        "warnings": list(one.get("warnings") or ()),
    }


def _subject(found: Mapping[str, Any]) -> str:
    """One of several that the same fault hit."""
    outcome = {None: "", True: ", objective met", False: ", objective missed"}[found["objective_met"]]
    return measured(found["rto_seconds"]) + outcome


def _aim(one: Mapping[str, Any]) -> str:
    if one.get("objective_seconds") is None:
        return "none declared"
    wanted = _wanted(one["objective_seconds"], one.get("objective_rpo_seconds"))
    return f"{wanted} ({_words(str(one.get('scope')))})"


def _wanted(rto: float, rpo: float | None) -> str:
    return f"RTO {as_declared(rto)}" + ("" if rpo is None else f", RPO {as_declared(rpo)}")


def _rpo(one: Mapping[str, Any]) -> str:
    return "no data involved, or not measured" if one.get("rpo_seconds") is None else measured(one["rpo_seconds"])


def _when(iso: str, zone: tzinfo) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(zone):%a %d %b %Y %H:%M}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(value: object) -> str:
    """A hash by its first letters, all else as it is."""
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 else text
