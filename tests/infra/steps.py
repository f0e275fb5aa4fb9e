"""Steps of the engine as a preview gives them, made by hand."""

from __future__ import annotations

from typing import Any

from pulumi.automation.events import StepEventMetadata

__all__ = ["ROOT", "component", "step", "urn"]

ROOT = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:dev::shop::{type_}::{name}"


def step(
    op: str,
    type_: str,
    name: str,
    *,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    parent: str = ROOT,
    replaces: tuple[str, ...] = (),
    custom: bool = True,
    protect: bool = False,
) -> StepEventMetadata:
    """One step; what differs between old and new stands in its diff."""
    common = {"type": type_, "urn": urn(type_, name), "custom": custom, "parent": parent}
    names = {key for key in {**(old or {}), **(new or {})} if (old or {}).get(key) != (new or {}).get(key)}
    changed = sorted(names | set(replaces)) if old is not None and new is not None else []
    kinds = {key: "update-replace" if key in replaces else "update" for key in changed}
    return StepEventMetadata.from_json(
        {
            "op": op,
            "urn": urn(type_, name),
            "type": type_,
            "old": None if old is None else {**common, "inputs": old, "protect": protect},
            "new": None if new is None else {**common, "inputs": new, "protect": protect},
            "keys": list(replaces),
            "diffs": changed,
            "detailedDiff": {key: {"diffKind": kind, "inputDiff": True} for key, kind in kinds.items()},
        }
    )


def component(kind: str, name: str, *, op: str = "same", parent: str = ROOT) -> StepEventMetadata:
    """A component, which is nothing in the cloud."""
    return step(op, f"ops:infra:{kind}", name, old={}, new={}, parent=parent, custom=False)
