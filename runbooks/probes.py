"""Probes: what a step expects of the world, as pure functions of what was observed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from quartermaster.fleet.hosts import Group, Host
from quartermaster.runbooks.document import Call

__all__ = ["PROBES", "Probe", "Reading", "World", "evaluate", "spread"]


@dataclass(frozen=True, slots=True)
class World:
    """The cluster before the drill and now."""

    before: Group
    now: Group
    quiet_seconds: float | None = None
    """For how long no request has failed; None when nobody counts requests."""

    @property
    def new(self) -> tuple[Host, ...]:
        """Hosts that were not there before."""
        known = {host.id for host in self.before.hosts}
        return tuple(host for host in self.now.hosts if host.id not in known)

    def host(self, host_id: str) -> Host | None:
        """The host now, or None when the group has it no more."""
        return next((host for host in self.now.hosts if host.id == host_id), None)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a probe found."""

    holds: bool
    found: str
    """In a person's words, with the values."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe that runbooks may name."""

    read: Callable[..., Reading]
    """Takes the World, then the arguments of the call."""
    arguments: tuple[str, ...]
    says: str


def evaluate(call: Call, world: World) -> Reading:
    """Read the probe that the call names. Pure. Raises KeyError for an unknown one."""
    return PROBES[call.name].read(world, *call.arguments)


def spread(group: Group) -> int:
    """Serving hosts in the fullest zone less those in the emptiest."""
    counts = Counter(dict.fromkeys(group.zones, 0))
    counts.update(host.zone for host in group.hosts if host.serving)
    return max(counts.values(), default=0) - min(counts.values(), default=0)


def _steady(world: World) -> Reading:
    serving = [host for host in world.now.hosts if host.serving]
    # Standby hosts are someone's work in progress: the group wants fewer meanwhile, but it is not whole.
    odd = [host for host in world.now.hosts if not host.serving]
    shown = ", ".join(f"{host.id} {host.lifecycle}/{host.health or 'no balancer'}" for host in odd)
    found = f"{len(serving)} of {world.now.desired} serve" + (f"; not: {shown}" if odd else "")
    if len(serving) < max(1, world.now.desired) or odd:
        return Reading(False, found)
    uneven = spread(world.now)
    if uneven > max(1, spread(world.before)):
        return Reading(False, f"{found}; the fullest zone has {uneven} more than the emptiest")
    return Reading(True, found)


def _noticed(world: World, lost: str) -> Reading:
    host = world.host(lost)
    if host is None:
        return Reading(True, f"{lost} left the group")
    return Reading(not host.serving, f"{lost} is {host.lifecycle}, {host.health or 'no balancer'}")


def _given_up(world: World, lost: str) -> Reading:
    host = world.host(lost)
    if host is None:
        return Reading(True, f"{lost} left the group")
    if host.lifecycle != "InService":
        return Reading(True, f"{lost} is {host.lifecycle}")
    if world.new:
        return Reading(True, f"{world.new[0].id} already comes for it")
    return Reading(False, f"{lost} is still in service for its group")


def _replacement_launched(world: World) -> Reading:
    if not world.new:
        return Reading(False, "no new host yet")
    return Reading(True, ", ".join(f"{host.id} in {host.zone}: {host.lifecycle}" for host in world.new))


def _replacement_in_service(world: World) -> Reading:
    ready = [host.id for host in world.new if host.lifecycle == "InService"]
    waiting = ", ".join(f"{host.id} {host.lifecycle}" for host in world.new) or "no new host"
    return Reading(bool(ready), f"{ready[0]} is in service" if ready else waiting)


def _whole(world: World, lost: str) -> Reading:
    host = world.host(lost)
    if host is not None and host.serving:
        return Reading(False, f"{lost} still counts as serving")
    # On its way out it serves no one; the group may take long to let go of it (a hook, a drain).
    left = tuple(other for other in world.now.hosts if other.id != lost)
    return _steady(replace(world, now=replace(world.now, hosts=left)))


def _calm(world: World, lost: str, seconds: str) -> Reading:
    whole = _whole(world, lost)
    if not whole.holds or world.quiet_seconds is None:
        return whole
    found = f"{whole.found}; no request failed for {world.quiet_seconds:.0f} s"
    return Reading(world.quiet_seconds >= float(seconds), found)


PROBES: dict[str, Probe] = {
    "steady": Probe(_steady, (), "as many hosts serve as the group wants, spread over its zones"),
    "noticed": Probe(_noticed, ("host",), "the balancer or the group no longer trusts the host"),
    "given_up": Probe(_given_up, ("host",), "the group has taken the host out of service or replaces it"),
    "replacement_launched": Probe(_replacement_launched, (), "the group has a host that it did not have before"),
    "replacement_in_service": Probe(_replacement_in_service, (), "a new host is in service"),
    "whole": Probe(_whole, ("host",), "the steady state without the lost host"),
    "calm": Probe(_calm, ("host", "seconds"), "whole, and no request failed for so long"),
}
"""Every probe that a runbook may name."""
