"""A host that cannot go back into service gives way to a new one of its group.

The new host is launched first, and the old one, in standby all the while, ends once the new one serves: when none
comes (no capacity, a broken template) the old one is still there, drained, to be looked at and mended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from quartermaster.fleet.hosts import Group
from quartermaster.playbooks.machine import HostTrouble, Limits
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.world import World, find, size

__all__ = ["ONE_AT_A_TIME", "facts", "refusal", "replace", "withdraw"]

ONE_AT_A_TIME = threading.Lock()
"""Held from the facts to the end: each new host is one host's, and counted once."""
_NEEDED = ("Launch", "Terminate", "ReplaceUnhealthy")


def refusal(plan: PatchPlan, group: Group, *, proven: bool) -> str:
    """Why no new host may take a failed one's place; empty when one may. ``proven``: the canary passed. Pure.

    Before the canary has passed a new host would bring the very packages that are on trial, straight into service.
    """
    if plan.pins and not proven:
        return "a new host would bring packages that no canary has passed with"
    theirs = sorted(set(_NEEDED) & (set(group.suspended) - set(plan.suspend)))
    return f"somebody suspended {', '.join(theirs)} of group {group.name}" if theirs else ""


def facts(world: World) -> dict[str, Any]:
    """What to write down before: the hosts that are there, and how many the group holds, standby counted. Read-only."""
    group = world.group()
    return {"there": [host.id for host in group.hosts], "size": size(group)}


def replace(
    world: World, host_id: str, before: Mapping[str, Any], limits: Limits, wait: Callable[[float], None]
) -> dict[str, Any]:
    """See that a new host serves and that the old one ends; ``by`` is the new one. Changes the group.

    Idempotent by ``before``, the facts of the time before it began. Raises HostTrouble, the launch taken back, when
    none serves in time.
    """
    until = time.monotonic() + limits.replacement
    while not (successor := _successor(world.group(), before)):
        if time.monotonic() > until:
            met = ", ".join(f"{host.id} {host.lifecycle} {host.health}" for host in _new(world.group(), before))
            withdraw(world, host_id, before)
            raise HostTrouble(
                f"no new host served in place of {host_id} in {limits.replacement:.0f} s: {met or 'none was launched'}",
                remedy="read the activities of the group for the reason",
            )
        world.hold(before["size"], without=host_id)
        wait(limits.poll)
    _end(world, host_id)
    return {"by": successor}


def withdraw(world: World, host_id: str, before: Mapping[str, Any]) -> None:
    """Take a replacement back that was cut off: the launched host ends, unless it serves; then the old one does."""
    if _successor(world.group(), before):
        _end(world, host_id)
        return
    for host in _new(world.group(), before):
        world.terminate(host.id, fewer=True)
    world.hold(before["size"] - 1, without=host_id)


def _new(group: Group, before: Mapping[str, Any]) -> list[Any]:
    there = set(before["there"])
    return [host for host in group.hosts if host.id not in there and not host.lifecycle.startswith("Terminating")]


def _successor(group: Group, before: Mapping[str, Any]) -> str:
    return next((host.id for host in _new(group, before) if host.serving), "")


def _end(world: World, host_id: str) -> None:
    old = find(world, host_id)
    if old is not None and not old.lifecycle.startswith("Terminating"):
        world.terminate(host_id)
