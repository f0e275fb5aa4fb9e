"""The patch plan: who is patched with what, in which waves, decided from what was read. Pure: same input, same plan.

Guards refuse here, before anything is touched. Window and freeze give way to an override with a reason; health,
spread and capacity never do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from quartermaster.fleet.durations import duration
from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group, Host
from quartermaster.playbooks.approval import approved
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.outlook import Outlook
from quartermaster.playbooks.patch_estimate import Pace, timed
from quartermaster.playbooks.patch_plan import GateRule, HostPlan, PatchPlan, Start
from quartermaster.playbooks.patch_start import Busy, Taken, Taker, at_once, best, ends_at, time_faults
from quartermaster.playbooks.patch_waves import Need, Shape, shape

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.planning import Patching

__all__ = ["SUSPENDED", "Need", "ends_at", "health_faults", "plan", "refuse", "time_faults"]

SUSPENDED = ("AZRebalance", "AlarmNotification", "ScheduledActions", "ReplaceUnhealthy")
"""Scaling processes that would move hosts about while some of them are in standby."""
_SOME_DAY = timedelta(days=400)
"""After the longest delay of approval."""


def plan(
    group: Group,
    fleet: Fleet,
    surveys: Mapping[str, Survey],
    now: datetime,
    *,
    drain_seconds: int,
    outlook: Outlook | None = None,
    pace: Pace | None = None,
    others: Sequence[Busy] = (),
    refresh_running: bool = False,
    override: str = "",
    ahead: bool = False,
) -> PatchPlan:
    """The plan for one cluster's group: for a start now, or ``ahead`` for the best start that its window allows.

    ``surveys`` by host id; ``outlook`` is None without a forecast; ``others`` are drills and the like to stay clear of;
    ``override`` is the reason to break window or freeze now. Raises GuardRefused, naming everything that stands against
    it. Pure.
    """
    policy = fleet.patching_of(group.cluster)
    breaks = [] if ahead else time_faults(fleet, group.cluster, now)
    faults = [*health_faults(group, refresh_running), *_unasked(group, surveys)]
    refuse(group.cluster, "patched", faults, [] if override else breaks)
    hosts_at = partial(_hosts, group, surveys, policy)
    taker = partial(_take, group, fleet, surveys, pace or Pace(), drain_seconds)

    def take_at(at: datetime) -> Taker:
        return partial(taker, _working(hosts_at(at)))

    if ahead and _working(hosts_at(now + _SOME_DAY)):
        start, taken = best(fleet, group.cluster, now, outlook, take_at(now + _SOME_DAY), take_at, others)
    else:
        start, taken = at_once(fleet, group.cluster, now, outlook, take_at(now))
    hosts = hosts_at(start.starts_at)
    waves = taken.shape.waves
    largest = max((len(wave.hosts) for wave in waves), default=0)
    lowered = min(group.min, group.desired + taken.shape.prescale - largest)
    warnings = [f"capacity needed is {Need().source}"] if outlook is None and waves else []
    warnings += [f"override: {override}: {fault}" for fault in breaks]
    warnings += [f"{host.id} is left out: {host.skipped}" for host in hosts if surveys.get(host.id, Survey()).error]
    warnings += _late(start, taken) if waves else []
    behind = fleet.balancer_of(group.cluster)
    balancer = behind[1] if behind is not None else None
    return PatchPlan(
        cluster=group.cluster,
        group=group.name,
        hosts=hosts,
        waves=waves,
        pins=_pins(hosts),
        suspend=tuple(name for name in SUSPENDED if name not in group.suspended) if waves else (),
        floor=lowered if waves and lowered < group.min else None,
        drain_seconds=drain_seconds,
        soak_seconds=policy.soak_minutes * 60,
        gate=GateRule(**policy.gate.model_dump()),
        max_failures=policy.max_failures,
        reboot=policy.reboot,
        port=balancer.port if balancer else 0,
        health=balancer.health if balancer and balancer.health.startswith("/") else "",
        ends_at=start.closes_at,
        warnings=tuple(warnings),
        prescale=taken.shape.prescale,
        prescale_why=taken.shape.why,
        estimate=taken.estimate if waves else None,
        start=start if waves else None,
        policy=policy.model_dump(mode="json", exclude={"minor_versions"}),
    )


def refuse(
    name: str, done: str, faults: Sequence[str], breaks: Sequence[str], *, remedy: str = "mend that first"
) -> None:
    """Raises GuardRefused where anything stands against work on ``name``, naming it all.

    ``remedy`` is that of the faults; where the hours alone are against it, an override is.
    """
    if against := [*faults, *breaks]:
        by_hand = remedy if faults else "--override with --reason, if it must be now"
        raise GuardRefused(f"{name} is not {done} now: " + "; ".join(against), remedy=by_hand)


def health_faults(group: Group, refresh_running: bool) -> list[str]:
    """What stands against touching the group: hosts that do not serve, an uneven spread, a refresh. Pure.

    A group that is to hold no host has nothing to do, which is no fault.
    """
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
    if not group.hosts and group.desired:
        faults.append("the group has no hosts")
    return faults


def _unasked(group: Group, surveys: Mapping[str, Survey]) -> list[str]:
    """That nobody could be asked what is pending: then nothing to do would not be the truth."""
    errors = {surveys.get(host.id, Survey(error="not asked")).error for host in group.hosts}
    return [] if "" in errors or not errors else [f"no host can be asked what is pending: {'; '.join(sorted(errors))}"]


def _hosts(group: Group, surveys: Mapping[str, Survey], policy: Patching, at: datetime) -> tuple[HostPlan, ...]:
    return tuple(_host_plan(host, surveys.get(host.id), policy, at) for host in group.hosts)


def _host_plan(host: Host, survey: Survey | None, policy: Patching, at: datetime) -> HostPlan:
    if survey is None or survey.error:
        why = survey.error if survey else "it was not asked"
        return HostPlan(host.id, host.zone, (), skipped=f"what is pending is unknown: {why}")
    updates, withheld = approved(survey.updates, policy.approve, at, survey.drags)
    changes = {update.name for update in updates if update.old}
    skipped = ""
    if not changes and not _reboots(survey, policy):
        skipped = "nothing that is pending is approved" if withheld else "nothing is pending"
    rollback = "replacement" if changes & set(survey.unsaved) else "packages"
    return HostPlan(host.id, host.zone, updates if changes else (), skipped, withheld, rollback if changes else "")


def _reboots(survey: Survey, policy: Patching) -> bool:
    return policy.reboot == "always" or (policy.reboot == "when_required" and survey.reboot_required)


def _working(hosts: Sequence[HostPlan]) -> frozenset[str]:
    return frozenset(host.id for host in hosts if not host.skipped)


def _take(
    group: Group,
    fleet: Fleet,
    surveys: Mapping[str, Survey],
    pace: Pace,
    drain_seconds: int,
    working: frozenset[str],
    need: Need,
) -> Taken:
    """What patching these hosts takes under that need. Raises GuardRefused."""
    policy = fleet.patching_of(group.cluster)
    found = shape(
        group,
        [host for host in group.hosts if host.id in working],
        need,
        canary=policy.canary,
        size=policy.wave.of(len(group.hosts)),
        lost=fleet.capacity_of(group.cluster).survive.zones,
    )
    waves, estimate = timed(
        found.waves,
        pace,
        drain_seconds=drain_seconds,
        soak_seconds=policy.soak_minutes * 60,
        reboots=any(_reboots(surveys[host_id], policy) for host_id in working),
        may_reboot=policy.reboot != "never",
        prescale=found.prescale,
    )
    return Taken(Shape(waves, found.rooms, found.prescale, found.why), estimate)


def _late(start: Start, taken: Taken) -> list[str]:
    """A warning when the cycle is not sure to end before its window does."""
    if start.closes_at is None:
        return []
    left = (start.closes_at - start.starts_at).total_seconds()
    if taken.estimate.upper_seconds <= left:
        return []
    certain = taken.estimate.seconds > left
    spans = f"{duration(taken.estimate.seconds)}, at most {duration(taken.estimate.upper_seconds)}"
    return [
        f"the window has {duration(left)} left and the cycle takes {spans}: "
        f"it {'will' if certain else 'may'} stop there, and `ops patch resume` goes on in the next"
    ]


def _pins(hosts: Sequence[HostPlan]) -> dict[str, str]:
    """One version of each package for all hosts. Raises GuardRefused when hosts are offered different ones."""
    offered: dict[str, set[str]] = {}
    for host in hosts:
        for update in host.updates if not host.skipped else ():
            if update.old:  # a new dependency comes with what needs it
                offered.setdefault(update.name, set()).add(update.new)
    torn = {name: versions for name, versions in offered.items() if len(versions) > 1}
    if torn:
        named = "; ".join(f"{name}: {', '.join(sorted(versions))}" for name, versions in sorted(torn.items()))
        raise GuardRefused(
            f"the hosts are offered different versions ({named})",
            remedy="see that all ask one package repository, or wait until it has reached all",
        )
    return {name: versions.pop() for name, versions in sorted(offered.items())}
