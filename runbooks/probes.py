"""Probes: what a step expects of the world, as pure functions of what was observed.

Here are those of every kind of drill; a kind has more of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import Group
from quartermaster.runbooks.document import Call
from quartermaster.runbooks.scene import Scene

__all__ = [
    "PROBES",
    "Probe",
    "Reading",
    "World",
    "both",
    "evaluate",
    "spread",
    "steady",
    "steady_database",
    "steady_group",
]


@dataclass(frozen=True, slots=True)
class World:
    """All that the drill looks at, before it and now."""

    of: str
    before: Scene
    now: Scene
    quiet_seconds: float | None = None
    """For how long no request has failed; None when nobody counts requests."""
    measured: Mapping[str, Json] = field(default_factory=dict)
    """What the kind measures beside the steps."""


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
    """Takes the World, then the arguments of the call. Pure."""
    arguments: tuple[str, ...]
    says: str


def evaluate(call: Call, world: World, probes: Mapping[str, Probe]) -> Reading:
    """Read the probe that the call names. Pure. Raises KeyError for an unknown one."""
    return probes[call.name].read(world, *call.arguments)


def spread(group: Group) -> int:
    """Serving hosts in the fullest zone less those in the emptiest."""
    counts = Counter(dict.fromkeys(group.zones, 0))
    counts.update(host.zone for host in group.hosts if host.serving)
    return max(counts.values(), default=0) - min(counts.values(), default=0)


def both(*readings: Reading) -> Reading:
    """Holds when all do; found is what does not hold, or all of it."""
    shown = [reading for reading in readings if not reading.holds] or readings
    return Reading(all(reading.holds for reading in readings), "; ".join(reading.found for reading in shown))


def steady_group(now: Group, before: Group) -> Reading:
    """As many hosts serve as the group wants, as well spread over its zones as before."""
    serving = [host for host in now.hosts if host.serving]
    # Standby hosts are someone's work in progress: the group wants fewer meanwhile, but it is not whole.
    odd = [host for host in now.hosts if not host.serving]
    shown = ", ".join(f"{host.id} {host.lifecycle}/{host.health or 'no balancer'}" for host in odd)
    found = f"{len(serving)} of {now.desired} serve" + (f"; not: {shown}" if odd else "")
    if len(serving) < max(1, now.desired) or odd:
        return Reading(False, found)
    uneven = spread(now)
    if uneven > max(1, spread(before)):
        return Reading(False, f"{found}; the fullest zone has {uneven} more than the emptiest")
    return Reading(True, found)


def steady_database(now: DatabaseState) -> Reading:
    """Available, and with the standby that it is to have."""
    standby = f"standby in {now.standby_zone or 'no zone'}" if now.multi_az else "no standby wanted"
    return Reading(now.whole, f"{now.name} is {now.status} in {now.zone or 'no zone'}, {standby}")


def steady(world: World) -> Reading:
    """Every group serves as wanted, and every database is whole."""
    readings = [
        *(_named(name, group, world) for name, group in world.now.groups.items()),
        *(steady_database(state) for state in world.now.databases.values()),
    ]
    return both(*readings)


def _named(name: str, group: Group, world: World) -> Reading:
    reading = steady_group(group, world.before.groups[name])
    alone = len(world.now.groups) + len(world.now.databases) == 1
    return reading if alone else Reading(reading.holds, f"{name}: {reading.found}")


def _calm(world: World, seconds: str) -> Reading:
    whole = steady(world)
    if not whole.holds or world.quiet_seconds is None:
        return whole
    found = f"{whole.found}; no request failed for {world.quiet_seconds:.0f} s"
    return Reading(world.quiet_seconds >= float(seconds), found)


PROBES: Mapping[str, Probe] = {
    "steady": Probe(steady, (), "as many hosts serve as each group wants, spread over its zones; databases are whole"),
    "calm": Probe(_calm, ("seconds",), "steady, and no request failed for so long"),
}
"""Those that the runbook of every kind may name."""
