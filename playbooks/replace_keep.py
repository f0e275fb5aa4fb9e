"""Keeping an instance refresh off hosts that stay where AWS cannot tell them apart: by protection from scale-in.

AWS knows the version that a host was started from and nothing of its role bundle. Told to leave protected hosts alone
it replaces the others, so a second refresh, after one that was cancelled, leaves what the first replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.fleet.hosts import Host
from quartermaster.playbooks.replace_past import Past
from quartermaster.playbooks.replace_world import Refreshes

__all__ = ["keep", "left", "let_go"]

_PROTECTABLE = ("InService", "Standby", "EnteringStandby")
"""States in which AWS lets a host be protected."""


def keep(past: Past, world: Refreshes) -> Iterator[Event]:
    """Protect the hosts that stay, written down first. Raises OpsError where hosts cannot be told apart by it yet."""
    launched, pending = world.launched(), {host.id for host in past.plan.pending}
    there = _there(world)
    if held := launched.held(pending & there.keys()):
        raise OpsError(held, remedy="take the protection from scale-in off them")
    target = past.plan.target
    stay = {id_ for id_ in there.keys() - pending if launched.hosts.get(id_) == target}
    if early := sorted(id_ for id_ in stay if there[id_].lifecycle not in _PROTECTABLE):
        raise OpsError(f"{', '.join(early)} stays and does not serve yet: it would be replaced with the others")
    if ours := sorted(stay - (launched.protected - past.protected)):
        yield StepStarted(step="protect", title="protect hosts that stay", undo={"protected": ours})
        world.protect(ours, on=True)
        yield StepFinished(step="protect", title="protect hosts that stay")


def let_go(past: Past, world: Refreshes) -> Iterator[Event]:
    """Take our protection off the hosts that are there still."""
    if ours := sorted(past.protected & _there(world).keys()):
        yield StepStarted(step="protect back", detail={"protected": ours})
        world.protect(ours, on=False)
        yield StepFinished(step="protect back")


def left(past: Past, world: Refreshes) -> bool:
    """Whether any host is still to be replaced. Read-only."""
    there = _there(world)
    return any(host.id in there for host in past.plan.pending)


def _there(world: Refreshes) -> dict[str, Host]:
    return {host.id: host for host in world.group().hosts if not host.lifecycle.startswith("Terminating")}
