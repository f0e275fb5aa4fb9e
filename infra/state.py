"""A stack's state as the engine exports it: what was under way when it was last written, and how to put it right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quartermaster.fleet.events import Json
from quartermaster.infra.resources import name_of

__all__ = ["Adopted", "Pending", "adopt", "custom", "kept", "known_ids", "pending", "protected"]

State = Mapping[str, Any]
"""The ``deployment`` object of ``pulumi stack export``, or ``latest`` of a checkpoint file."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that was begun and whose end the state does not know."""

    urn: str
    type: str
    operation: str
    """creating, updating, deleting, reading or importing."""
    inputs: Mapping[str, Json]
    custom: bool = True
    """Whether it is of the cloud; a component is not."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A resource that an interrupted creation had made after all."""

    urn: str
    id: str


def pending(state: State) -> tuple[Pending, ...]:
    """Operations under way when the state was written."""
    found = []
    for operation in state.get("pending_operations") or ():
        resource = operation["resource"]
        inputs, is_custom = resource.get("inputs") or {}, bool(resource.get("custom"))
        found.append(Pending(resource["urn"], resource["type"], operation["type"], inputs, is_custom))
    return tuple(found)


def custom(state: State) -> tuple[Mapping[str, Any], ...]:
    """The cloud's resources in the state: no components, no providers, nothing waiting to be deleted."""
    return tuple(
        resource
        for resource in state.get("resources") or ()
        if resource.get("custom") and not resource["type"].startswith("pulumi:") and not resource.get("delete")
    )


def protected(state: State) -> tuple[str, ...]:
    """URNs of protected resources."""
    return tuple(resource["urn"] for resource in custom(state) if resource.get("protect"))


def kept(state: State) -> tuple[tuple[str, str], ...]:
    """(URN, reason) of what a destroy left: what is protected, and what that needs to be."""
    left = custom(state)
    guarded = set(protected(state))
    needs = {item["urn"]: set(item.get("dependencies") or ()) for item in left}
    reasons = []
    for item in left:
        urn = item["urn"]
        waiting, seen = [urn], {urn}
        while waiting:
            seen |= (more := {other for other, needed in needs.items() if waiting[0] in needed} - seen)
            waiting = [*waiting[1:], *sorted(more)]
        above = sorted(name_of(other) for other in seen & guarded)
        by = f"{above[0]}, which is protected, needs it" if above else "it could not be told why"
        reasons.append((urn, "it is protected" if urn in guarded else by))
    return tuple(reasons)


def known_ids(state: State, item: Pending) -> frozenset[str]:
    """Ids of the type's resources that the state holds, also of those waiting to be deleted.

    Of the same region only: where a name is the id, two regions may have the same.
    """
    region = item.inputs.get("region")
    return frozenset(
        resource["id"]
        for resource in state.get("resources") or ()
        if resource["type"] == item.type
        and resource.get("id")
        and (resource.get("inputs") or {}).get("region") == region
    )


def adopt(state: State, adopted: Iterable[Adopted]) -> dict[str, Any]:
    """The state with nothing pending and the adopted resources in it, last, as nothing can depend on them yet.

    Of a replacement that was under way the old resource becomes one waiting to be deleted.
    """
    by_urn = {item.urn: item.id for item in adopted}
    resources: list[dict[str, Any]] = []
    for resource in state.get("resources") or ():
        replaced = resource["urn"] in by_urn and not resource.get("delete")
        resources.append({**resource, "delete": True} if replaced else dict(resource))
    for operation in state.get("pending_operations") or ():
        resource = operation["resource"]
        if operation["type"] == "creating" and resource["urn"] in by_urn:
            outputs = resource.get("outputs") or resource.get("inputs") or {}
            resources.append({**resource, "id": by_urn[resource["urn"]], "outputs": outputs})
    rest = {key: value for key, value in state.items() if key != "pending_operations"}
    return {**rest, "resources": resources}
