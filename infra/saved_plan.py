"""A plan as a file: what was decided, and what it was decided from, so that `up` can carry out that plan or none.

The file is canonical JSON, to be read, reviewed and compared. Secrets stand in it as stars.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.events import Json
from quartermaster.fleet.files import replacing
from quartermaster.infra.plan_basis import Basis, moved

if TYPE_CHECKING:
    from quartermaster.infra.outcome import Outcome

__all__ = ["SavedPlan", "read_plan", "refuse_moved", "refuse_other", "write_plan"]

VERSION = 1
_ANEW = "ops provision preview --save writes a new plan"
_BY_THE_CLOCK = frozenset({"finalSnapshotIdentifier"})
"""Inputs that hold the instant of the preview, and differ in every one."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A decided plan and its basis."""

    fleet: str
    stack: str
    made_at: str
    """ISO 8601, UTC."""
    decided: Mapping[str, Any]
    """The preview's own document: changes, resources, cost, policy, data loss. A resource that is made has in
    ``inputs`` a hash of each of its inputs."""
    basis: Basis

    def to_json(self) -> dict[str, Json]:
        return {
            "version": VERSION,
            "fleet": self.fleet,
            "stack": self.stack,
            "made_at": self.made_at,
            "decided": dict(self.decided),
            "basis": self.basis.to_json(),
        }


def write_plan(path: Path, outcome: Outcome, basis: Basis, *, fleet: str, stack: str, now: datetime) -> SavedPlan:
    """Write the plan in one step; returns it. Raises InputError where the file cannot be written."""
    decided = {**outcome.to_json(), "resources": _decided(outcome)}
    plan = SavedPlan(fleet, stack, f"{now:%Y-%m-%dT%H:%M:%SZ}", decided, basis)
    text = json.dumps(plan.to_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc}", remedy="another --save FILE") from exc
    return plan


def read_plan(path: Path) -> SavedPlan:
    """The plan in the file. Read-only. Raises InputError for what is no plan of this version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as exc:
        raise InputError(f"{path} is no saved plan: {exc}", remedy=_ANEW) from exc
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise InputError(f"{path} is no saved plan of version {VERSION}", remedy=_ANEW)
    try:
        return SavedPlan(
            fleet=document["fleet"],
            stack=document["stack"],
            made_at=document["made_at"],
            decided=document["decided"],
            basis=Basis.from_json(document["basis"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InputError(f"{path} is a broken saved plan: {exc!r}", remedy=_ANEW) from exc


def refuse_moved(plan: SavedPlan, now: Basis, *, fleet: str, stack: str) -> None:
    """Raise InputError naming everything that is no longer as the plan was decided from. Pure."""
    if (plan.fleet, plan.stack) != (fleet, stack):
        raise InputError(
            f"the plan is of stack {plan.stack} of fleet {plan.fleet}, not of stack {stack} of fleet {fleet}",
            remedy=f"--stack {plan.stack}, or another plan",
        )
    _refuse(plan, moved(plan.basis, now))


def refuse_other(plan: SavedPlan, outcome: Outcome) -> None:
    """Raise InputError naming every resource that `up` would treat otherwise than the plan says. Pure.

    The same file, program, state and world can still decide another plan: hours pass and with them floors of the
    schedule, and the newest image of a family is another tomorrow. The engine can save a plan too; it is not handed
    that, as it meets a difference only when it comes to the resource, half-way.
    """
    _refuse(plan, _otherwise(plan.decided["resources"], _decided(outcome)))


def _decided(outcome: Outcome) -> list[dict[str, Any]]:
    """What is done to each resource, with hashes of the inputs of those that are made."""
    made = {one.urn: one.inputs for one in outcome.resources}
    return [
        {**item, "inputs": _hashes(made.get(item["urn"], {}))} if item["change"] in ("create", "replace") else item
        for item in outcome.to_json()["resources"]
    ]


def _hashes(inputs: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
        for name, value in inputs.items()
        if name not in _BY_THE_CLOCK
    }


def _refuse(plan: SavedPlan, faults: Sequence[Fault]) -> None:
    if faults:
        raise InputError(f"the plan of {plan.made_at} no longer holds; nothing was changed", faults, remedy=_ANEW)


def _otherwise(planned: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]]) -> list[Fault]:
    then, would = ({item["urn"]: item for item in items} for items in (planned, now))
    faults = []
    for urn in dict.fromkeys((*then, *would)):
        was, is_ = _act(then.get(urn)), _act(would.get(urn))
        if was != is_:
            faults.append(Fault(urn, f"the plan says {was}, `up` would now {is_}", _ANEW))
            continue
        for name, old, new in _values(then[urn], would[urn]):
            faults.append(Fault(f"{urn} {name}", f"the plan makes it {old}, `up` would now make it {new}", _ANEW))
        old_inputs, new_inputs = then[urn].get("inputs", {}), would[urn].get("inputs", {})
        faults += [
            Fault(f"{urn} {name}", "`up` would now make it with another value than the plan", _ANEW)
            for name in dict.fromkeys((*old_inputs, *new_inputs))
            if old_inputs.get(name) != new_inputs.get(name)
        ]
    return faults


def _values(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    old, new = ({item["path"]: json.dumps(item["new"]) for item in one["properties"]} for one in (then, now))
    names = dict.fromkeys((*old, *new))
    return [
        (name, old.get(name, "as it is"), new.get(name, "as it is")) for name in names if old.get(name) != new.get(name)
    ]


def _act(item: Mapping[str, Any] | None) -> str:
    return "nothing" if item is None else str(item["change"])
