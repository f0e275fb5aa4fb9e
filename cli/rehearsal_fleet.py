"""The copy of a fleet that a rehearsal plays on: on the local cloud, small, and telling nobody. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["STACK", "scaled"]

STACK = "rehearsal"
_HOSTS_A_ZONE = 1
_GROWTH = 3
"""size.max of the copy, in copies of its size.min: room to launch a successor, or to replace a zone."""
_LEFT_OUT = ("stacks", "adopted", "notify", "freezes", "events", "dns", "ignore_drift", "account_baseline")
"""What belongs to the account, to people or to the calendar."""
_SOAK = {"soak_minutes": 0, "window": "always"}


def scaled(tree: Mapping[str, Any], of: str, network: str, folder: Path) -> dict[str, Any]:
    """The tree of fleet.yaml for rehearsing on cluster or database ``of``, or on all of it when that is empty.

    ``network`` is a /16 below 10.0.0.0 that is free on this machine, with the next one; ``folder`` is where the
    fleet.yaml stands, for own roles.
    """
    copy = {key: value for key, value in tree.items() if key not in _LEFT_OUT}
    copy["stacks"] = {STACK: {"target": "local"}}
    nat = (tree.get("network") or {}).get("nat")
    second = int(network.split(".")[1])
    copy["network"] = {"cidr": network, "recovery_cidr": f"10.{second + 1}.0.0/16", **({"nat": nat} if nat else {})}
    zones = int(tree.get("zones", 3))
    clusters = {
        name: _cluster(declared or {}, zones)
        for name, declared in (tree.get("clusters") or {}).items()
        if not of or name == of or of not in (tree.get("clusters") or {})
    }
    used = {name for declared in clusters.values() for name in declared.get("uses", ())}
    kept = {"clusters": clusters}
    for part in ("databases", "buckets"):
        kept[part] = {
            name: declared for name, declared in (tree.get(part) or {}).items() if not of or name == of or name in used
        }
    copy |= {part: declared for part, declared in kept.items() if declared or part in tree}
    names = {name for declared in kept.values() for name in declared}
    for part in ("capacity", "patching"):
        if part in tree:
            copy[part] = {name: value for name, value in (tree[part] or {}).items() if name in names}
    copy["patching"] = {
        **copy.get("patching", {}),
        **{name: _patching(one, copy.get("patching", {}).get(name) or {}) for name, one in clusters.items()},
    }
    if "metrics" in tree:
        demand = {name: value for name, value in ((tree["metrics"] or {}).get("demand") or {}).items() if name in names}
        copy["metrics"] = {**(tree["metrics"] or {}), "demand": demand}
    if "recovery" in tree:
        copy["recovery"] = _recovery(tree["recovery"] or {}, names)
    if path := (tree.get("ansible") or {}).get("roles_path"):
        copy["ansible"] = {**tree["ansible"], "roles_path": str((folder / path).resolve())}
    return copy


def _cluster(declared: Mapping[str, Any], zones: int) -> dict[str, Any]:
    """The cluster with one host a zone, and no floors by time."""
    small = {key: value for key, value in declared.items() if key != "schedule"}
    least = zones * _HOSTS_A_ZONE
    small["size"] = {"min": least, "max": least * _GROWTH}
    return small


def _patching(cluster: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of it, at once and at any hour; hosts without apt are replaced, as no other way is taken."""
    image = cluster.get("image") or {}
    only = {"method": "replace"} if image.get("family") == "amazon-linux-2023" and not image.get("id") else {}
    return {**only, **said, **_SOAK}


def _recovery(declared: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """What is declared of those names; a copy may be drilled in any way, at any hour."""
    kept = {key: value for key, value in declared.items() if key in names}
    if checks := {name: value for name, value in (declared.get("checks") or {}).items() if name in names}:
        kept["checks"] = checks
    if drills := [drill for drill in declared.get("drills") or () if drill["of"] in names]:
        kept["drills"] = drills
    return kept
