"""Canary and waves: how many hosts of which zone at once, and how many are added first so that enough serve. Pure.

A wave lies in one zone, and while it is out of service the others carry the hour's demand, also when as many zones
as capacity must survive, the fullest of those left, are lost as well. Where headroom is short hosts are added, as far
as the group's max goes; then waves become smaller; then the work is refused. So more demand never makes a wave larger.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group, Host
from quartermaster.playbooks.patch_plan import Wave

__all__ = ["Need", "Room", "Shape", "room", "shape", "short"]


@dataclass(frozen=True, slots=True)
class Need:
    """How many hosts the hour needs. Unknown without metrics: a warning, not a refusal."""

    hosts: int | None = None
    """In service throughout."""
    after_zone_loss: int | None = None
    """In service when the zones that capacity must survive are lost as well."""
    source: str = "unknown: no forecast for this hour"
    per_zone: int = 0
    """In service in each zone, where the balancer does not send requests across zones."""


@dataclass(frozen=True, slots=True)
class Room:
    """What serves while some hosts of one zone do not."""

    left: int
    after_loss: int
    """When the fullest zones are lost as well."""
    thinnest: int
    """In the zone with the fewest."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The waves, and what they take first."""

    waves: tuple[Wave, ...]
    rooms: tuple[Room, ...] = ()
    """What is left in each wave."""
    prescale: int = 0
    why: str = ""
    """Why hosts are added; empty: none are."""


def room(per_zone: Mapping[str, int], zone: str, taken: int, lost: int) -> Room:
    """What is left of hosts by zone when ``taken`` of one zone are out of service and ``lost`` zones are lost."""
    counts = sorted(count - (taken if name == zone else 0) for name, count in per_zone.items())
    return Room(sum(counts), sum(counts[: max(0, len(counts) - lost)]), counts[0])


def short(found: Room, need: Need, taken: int) -> str:
    """What the room lacks of the need; empty when it suffices."""
    least = max(1, need.hosts or 0)
    if found.left < least:
        return f"with {taken} host(s) in standby {found.left} would serve and {least} are needed"
    if need.after_zone_loss is not None and found.after_loss < need.after_zone_loss:
        return (
            f"with {taken} in standby and a zone lost {found.after_loss} would serve "
            f"and {need.after_zone_loss} are needed"
        )
    if found.thinnest < need.per_zone:
        return f"with {taken} in standby a zone would keep {found.thinnest} and {need.per_zone} are needed in each"
    return ""


def shape(group: Group, working: Sequence[Host], need: Need, *, canary: int, size: int, lost: int) -> Shape:
    """Canary, then zone by zone in parts of at most ``size``, with the hosts that have to be added first.

    Raises GuardRefused when max does not allow so many that even one host can be taken.
    """
    if not working:
        return Shape(())
    there = dict.fromkeys(group.zones, 0) | Counter(host.zone for host in group.hosts)
    by_zone: dict[str, list[str]] = {}
    for host in working:
        by_zone.setdefault(host.zone, []).append(host.id)
    spare = range(max(0, group.max - group.desired) + 1)
    why = ""
    for most in range(max(canary, size), 0, -1):
        parts = _parts(by_zone, min(canary, most), min(size, most))
        fault = _fault(parts, there, need, lost)
        why = why or fault
        if _fault(parts, _with(there, spare[-1]), need, lost):
            continue
        # More hosts never leave less: the fewest are found by halving.
        added = bisect_left(spare, True, key=lambda more: not _fault(parts, _with(there, more), need, lost))
        rooms = tuple(room(_with(there, added), zone, len(ids), lost) for zone, ids, _ in parts)
        return Shape(tuple(_waves(parts, rooms, need, lost)), rooms, added, why if added else "")
    raise GuardRefused(
        f"{group.cluster} is not patched now: {fault}, and max {group.max} allows no more",
        remedy=f"raise clusters.{group.cluster}.size.max (`ops capacity plan`), or wait for an hour with less demand",
    )


def _parts(by_zone: Mapping[str, Sequence[str]], canary: int, size: int) -> list[tuple[str, list[str], bool]]:
    """Zone, hosts, whether it is the canary: the canary from the fullest zone, then the zones from the fullest on."""
    rest = {zone: list(ids) for zone, ids in by_zone.items()}
    zones = sorted(rest, key=lambda zone: (-len(rest[zone]), zone))
    parts = []
    if canary:
        first, rest[zones[0]] = rest[zones[0]][:canary], rest[zones[0]][canary:]
        parts.append((zones[0], first, True))
    parts += [(zone, rest[zone][at : at + size], False) for zone in zones for at in range(0, len(rest[zone]), size)]
    return parts


def _with(there: Mapping[str, int], added: int) -> dict[str, int]:
    """Hosts by zone with some more, each launched where there are fewest, as groups do."""
    counts = dict(there)
    for _ in range(added):
        counts[min(counts, key=lambda zone: (counts[zone], zone))] += 1
    return counts


def _fault(parts: Sequence[tuple[str, list[str], bool]], serving: Mapping[str, int], need: Need, lost: int) -> str:
    """What the largest part that cannot be taken lacks; empty when all can be."""
    takes = sorted({(zone, len(ids)) for zone, ids, _ in parts}, key=lambda take: (-take[1], take[0]))
    return next(filter(None, (short(room(serving, *take, lost), need, take[1]) for take in takes)), "")


def _waves(
    parts: Sequence[tuple[str, list[str], bool]], rooms: Sequence[Room], need: Need, lost: int
) -> Iterator[Wave]:
    for number, ((zone, ids, canary), found) in enumerate(zip(parts, rooms, strict=True), 1):
        yield Wave(
            number,
            zone,
            tuple(ids),
            canary,
            left=found.left,
            needed=need.hosts,
            left_after_loss=found.after_loss if lost else None,
            needed_after_loss=need.after_zone_loss if lost else None,
        )
