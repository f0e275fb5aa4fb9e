"""The patch plan: who is patched with what, in which waves, decided from what was read. Pure: same input, same plan.

Guards refuse here, before anything is touched. Window and freeze give way to an override with a reason; health,
spread and capacity never do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import GuardRefused, InputError
from quartermaster.fleet.hosts import Group, Host
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.patch_plan import GateRule, HostPlan, PatchPlan, Wave

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["SUSPENDED", "Need", "ends_at", "health_faults", "plan", "time_faults"]

SUSPENDED = ("AZRebalance", "AlarmNotification", "ScheduledActions", "ReplaceUnhealthy")
"""Scaling processes that would move hosts about while some of them are in standby."""


@dataclass(frozen=True, slots=True)
class Need:
    """How many hosts the hour needs. Unknown without metrics: a warning, not a refusal."""

    hosts: int | None = None
    """In service throughout."""
    after_zone_loss: int | None = None
    """In service when the fullest of the zones is lost as well."""
    source: str = "unknown: no forecast for this hour"


def plan(
    group: Group,
    fleet: Fleet,
    surveys: Mapping[str, Survey],
    now: datetime,
    *,
    drain_seconds: int,
    need: Need | None = None,
    refresh_running: bool = False,
    override: str = "",
) -> PatchPlan:
    """The plan for one cluster's group. ``surveys`` by host id; ``override`` is the reason to break window or freeze.

    Raises GuardRefused, naming everything that stands against it. Pure.
    """
    policy = fleet.patching_of(group.cluster)
    need = need or Need()
    if policy.method != "in_place":
        raise InputError(f"patching.{group.cluster}.method is {policy.method}", remedy="in_place is what there is yet")
    against = health_faults(group, refresh_running)
    breaks = time_faults(fleet, group.cluster, now)
    if not override:
        against += breaks
    if against:
        remedy = "--override with --reason, if it must be now" if against == breaks else "mend that first"
        raise GuardRefused(f"{group.cluster} is not patched now: " + "; ".join(against), remedy=remedy)
    hosts = tuple(_host_plan(host, surveys.get(host.id), policy.reboot) for host in group.hosts)
    chosen = {host.id for host in hosts if not host.skipped}
    working = [host for host in group.hosts if host.id in chosen]
    waves = _waves(group, working, need, canary=policy.canary, size=policy.wave.of(len(group.hosts)))
    largest = max((len(wave.hosts) for wave in waves), default=0)
    lowered = min(group.min, group.desired - largest)
    warnings = [f"capacity needed is {need.source}"] if need.hosts is None and waves else []
    warnings += [f"override: {override}: {fault}" for fault in breaks]
    warnings += [f"{host.id} is left out: {host.skipped}" for host in hosts if surveys.get(host.id, Survey()).error]
    behind = fleet.balancer_of(group.cluster)
    balancer = behind[1] if behind is not None else None
    return PatchPlan(
        cluster=group.cluster,
        group=group.name,
        hosts=hosts,
        waves=waves,
        pins=_pins(surveys, chosen),
        suspend=tuple(name for name in SUSPENDED if name not in group.suspended) if waves else (),
        floor=lowered if waves and lowered < group.min else None,
        drain_seconds=drain_seconds,
        soak_seconds=policy.soak_minutes * 60,
        gate=GateRule(**policy.gate.model_dump()),
        max_failures=policy.max_failures,
        reboot=policy.reboot,
        port=balancer.port if balancer else 0,
        health=balancer.health if balancer and balancer.health.startswith("/") else "",
        ends_at=ends_at(fleet, group.cluster, now) if not breaks else None,
        warnings=tuple(warnings),
    )


def health_faults(group: Group, refresh_running: bool) -> list[str]:
    """What stands against touching the group: hosts that do not serve, an uneven spread, a refresh. Pure."""
    faults = [
        f"{host.id} is {host.lifecycle} and {host.health or 'unknown'}" for host in group.hosts if not host.serving
    ]
    per_zone = Counter(host.zone for host in group.hosts)
    counts = {zone: per_zone[zone] for zone in group.zones}
    if counts and max(counts.values()) - min(counts.values()) > 1:
        spread = ", ".join(f"{zone} {count}" for zone, count in counts.items())
        faults.append(f"the hosts are not spread evenly over the zones ({spread})")
    if refresh_running:
        faults.append("an instance refresh is running")
    if not group.hosts:
        faults.append("the group has no hosts")
    return faults


def time_faults(fleet: Fleet, cluster: str, now: datetime) -> list[str]:
    """Why this is no time to work on the cluster, or database: its window is shut, a freeze holds. Pure."""
    window = fleet.patching_of(cluster).window
    faults = []
    if not window.contains(now, fleet.tz):
        upcoming = window.occurrences(now, now + timedelta(days=8), fleet.tz)
        following = f"; the next opens {upcoming[0][0].astimezone(fleet.tz):%a %d %b %H:%M}" if upcoming else ""
        faults.append(f"it is outside the window {str(window)!r}{following}")
    today = now.astimezone(fleet.tz).date()
    faults += [
        f"the freeze from {freeze.from_} to {freeze.to} holds ({freeze.why or 'no reason given'})"
        for freeze in fleet.freezes
        if freeze.from_ <= today <= freeze.to
    ]
    return faults


def ends_at(fleet: Fleet, cluster: str, now: datetime) -> datetime | None:
    """When window or a coming freeze ends the work; None without an end in sight."""
    window = fleet.patching_of(cluster).window
    ends = [datetime.combine(freeze.from_, time(), fleet.tz) for freeze in fleet.freezes]
    ends = [end for end in ends if end > now]
    if not window.always:
        ends += [stop for start, stop in window.occurrences(now, now + timedelta(days=8), fleet.tz) if start <= now]
    return min(ends, default=None)


def _host_plan(host: Host, survey: Survey | None, reboot: str) -> HostPlan:
    if survey is None or survey.error:
        why = survey.error if survey else "it was not asked"
        return HostPlan(host.id, host.zone, (), skipped=f"what is pending is unknown: {why}")
    wanted = reboot == "always" or (reboot == "when_required" and survey.reboot_required)
    idle = not survey.updates and not wanted
    return HostPlan(host.id, host.zone, survey.updates, skipped="nothing is pending" if idle else "")


def _pins(surveys: Mapping[str, Survey], chosen: set[str]) -> dict[str, str]:
    """One version of each package for all hosts. Raises GuardRefused when hosts are offered different ones."""
    offered: dict[str, set[str]] = {}
    for host_id in sorted(chosen):
        for update in surveys[host_id].updates:
            if update.old:  # a new dependency comes with what needs it
                offered.setdefault(update.name, set()).add(update.new)
    torn = {name: versions for name, versions in offered.items() if len(versions) > 1}
    if torn:
        named = "; ".join(f"{name}: {', '.join(sorted(versions))}" for name, versions in sorted(torn.items()))
        raise GuardRefused(f"the hosts are offered different versions ({named})", remedy="plan again in a while")
    return {name: versions.pop() for name, versions in sorted(offered.items())}


def _waves(group: Group, working: Sequence[Host], need: Need, *, canary: int, size: int) -> tuple[Wave, ...]:
    """Canary, then zone by zone in parts of at most ``size``, each leaving what is needed. Raises GuardRefused."""
    if not working:
        return ()
    by_zone: dict[str, list[str]] = {}
    for host in working:
        by_zone.setdefault(host.zone, []).append(host.id)
    zones = sorted(by_zone, key=lambda zone: (-len(by_zone[zone]), zone))
    parts: list[tuple[str, list[str], bool]] = []
    if canary:
        first, by_zone[zones[0]] = by_zone[zones[0]][:canary], by_zone[zones[0]][canary:]
        parts += [(zones[0], part, True) for part in _cut(zones[0], first, group, need, len(first))]
    for zone in zones:
        parts += [(zone, part, False) for part in _cut(zone, by_zone[zone], group, need, size)]
    return tuple(
        Wave(number, zone, tuple(ids), is_canary, left=len(group.hosts) - len(ids), needed=need.hosts)
        for number, (zone, ids, is_canary) in enumerate(parts, 1)
    )


def _cut(zone: str, ids: list[str], group: Group, need: Need, size: int) -> list[list[str]]:
    while size >= 1 and (fault := _capacity_fault(zone, min(size, len(ids)), group, need)):
        size -= 1
    if size < 1:
        raise GuardRefused(
            f"{group.cluster} is not patched now: {fault}",
            remedy="scale up first (`ops capacity plan`), or wait for an hour with less demand",
        )
    return [ids[at : at + size] for at in range(0, len(ids), size)]


def _capacity_fault(zone: str, taken: int, group: Group, need: Need) -> str:
    left = len(group.hosts) - taken
    if left < max(1, need.hosts or 0):
        return f"with {taken} host(s) in standby {left} would serve and {max(1, need.hosts or 0)} are needed"
    remaining = Counter(host.zone for host in group.hosts)
    remaining[zone] -= taken
    survivors = left - max(remaining.values())
    if need.after_zone_loss is not None and survivors < need.after_zone_loss:
        return f"with {taken} in standby and a zone lost {survivors} would serve and {need.after_zone_loss} are needed"
    return ""
