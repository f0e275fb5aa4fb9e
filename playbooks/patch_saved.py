"""A patch plan as a file: to be reviewed, compared with another, and carried out as it stands or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from quartermaster.fleet.durations import duration
from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.files import replacing
from quartermaster.playbooks.patch_plan import PatchPlan

__all__ = ["Change", "SavedPlan", "differences", "read_plan", "refuse_moved", "write_plan"]

VERSION = 1
_ANEW = "ops patch plan --out writes a new plan"
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan and what it is of."""

    fleet: str
    stack: str
    made_at: str
    """ISO 8601, UTC."""
    plan: PatchPlan


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between two plans."""

    what: str
    before: str
    after: str

    def to_json(self) -> dict[str, str]:
        """The change as a JSON object."""
        return asdict(self)


def write_plan(path: Path, plan: PatchPlan, *, fleet: str, stack: str, now: datetime) -> None:
    """Write the plan in one step. Raises InputError where the file cannot be written."""
    head = {"version": VERSION, "fleet": fleet, "stack": stack, "made_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    text = json.dumps({**head, "plan": plan.to_json()}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc}", remedy="another --out FILE") from exc


def read_plan(path: Path) -> SavedPlan:
    """The plan in the file. Read-only. Raises InputError for what is no patch plan of this version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as exc:
        raise InputError(f"{path} is no saved plan: {exc}", remedy=_ANEW) from exc
    if not isinstance(document, dict) or document.get("version") != VERSION or "plan" not in document:
        raise InputError(f"{path} is no saved patch plan of version {VERSION}", remedy=_ANEW)
    try:
        plan = PatchPlan.from_json(document["plan"])
        return SavedPlan(document["fleet"], document["stack"], document["made_at"], plan)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise InputError(f"{path} is a broken patch plan: {exc!r}", remedy=_ANEW) from exc


def refuse_moved(saved: SavedPlan, now: PatchPlan, *, fleet: str, stack: str) -> None:
    """Raise InputError naming everything that would now be decided otherwise, or from other facts. Pure."""
    mine, other = (fleet, stack, now.cluster), (saved.fleet, saved.stack, saved.plan.cluster)
    if mine != other:
        raise InputError(
            "the plan is of cluster {2} of stack {1} of fleet {0}, not of cluster {5} of stack {4} of fleet {3}".format(
                *other, *mine
            ),
            remedy=f"ops patch run {saved.plan.cluster} --stack {saved.stack}, or another plan",
        )
    changes = [*_basis(saved.plan, now), *_decided(saved.plan, now)]
    if changes:
        faults = [Fault(one.what, f"the plan has {one.before}, now it is {one.after}", _ANEW) for one in changes]
        raise InputError(f"the plan of {saved.made_at} no longer holds; nothing was changed", faults, remedy=_ANEW)


def differences(before: PatchPlan, after: PatchPlan) -> list[Change]:
    """Everything in which two plans of a cluster differ: facts, decisions, start, duration. Pure."""
    return [*_basis(before, after), *_decided(before, after), *_told(before, after)]


def _basis(before: PatchPlan, after: PatchPlan) -> list[Change]:
    """Facts: hosts, what is pending on them, what fleet.yaml says."""
    zones = ({host.id: host.zone for host in plan.hosts} for plan in (before, after))
    return [
        *_changed("host {}", *zones),
        *_changed("pending: {}", _pending(before), _pending(after)),
        *_changed(f"patching.{after.cluster}.{{}}", _flat(before.policy), _flat(after.policy)),
    ]


def _decided(before: PatchPlan, after: PatchPlan) -> list[Change]:
    """Decisions: versions, waves, hosts added first."""
    waves = (
        {f"wave {wave.number}": f"{wave.zone}: {' '.join(wave.hosts)}" for wave in p.waves} for p in (before, after)
    )
    return [
        *_changed("version of {}", before.pins, after.pins),
        *_changed("{}", *waves),
        *_changed("{}", {"hosts added first": str(before.prescale)}, {"hosts added first": str(after.prescale)}),
    ]


def _told(before: PatchPlan, after: PatchPlan) -> list[Change]:
    """What is expected of it: start, risk, duration, needs, warnings."""

    def told(plan: PatchPlan) -> dict[str, str]:
        found = {
            f"need of wave {wave.number}": f"{wave.needed} hosts" for wave in plan.waves if wave.needed is not None
        }
        if plan.start:
            found["start"] = f"{plan.start.starts_at:%Y-%m-%d %H:%M} UTC"
            found["risk"] = "unknown" if plan.start.risk is None else f"{plan.start.risk:.2%}"
        if plan.estimate:
            low, high = duration(plan.estimate.seconds), duration(plan.estimate.upper_seconds)
            found["duration"] = f"{low}, at most {high}"
        return found | dict.fromkeys((f"warning: {warning}" for warning in plan.warnings), "given")

    return _changed("{}", told(before), told(after))


def _pending(plan: PatchPlan) -> dict[str, str]:
    """Each package's updates with the number of hosts that have them."""
    counts = Counter(
        (update.name, f"{update.old or 'new'} → {update.new}")
        for host in plan.hosts
        for update in (*host.updates, *(one.update for one in host.withheld))
    )
    found: dict[str, list[str]] = {}
    for (name, step), count in sorted(counts.items()):
        found.setdefault(name, []).append(f"{step} on {count} host{'s' if count > 1 else ''}")
    return {name: ", ".join(steps) for name, steps in found.items()}


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        found |= (
            _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": json.dumps(value)}
        )
    return found


def _changed(label: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    names: Iterable[str] = dict.fromkeys((*before, *after))
    return [
        Change(label.format(name), before.get(name, _NOTHING), after.get(name, _NOTHING))
        for name in names
        if before.get(name) != after.get(name)
    ]
