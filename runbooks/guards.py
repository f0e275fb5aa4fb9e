"""Guards: what must be so before a drill may start, each as a value with what was found and what would help."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from quartermaster.fleet.hosts import Group
from quartermaster.fleet.schema import Fleet

__all__ = ["Demand", "Guard", "guards"]

OVERRIDABLE = ("freeze", "hours")
"""Rule 9: an override with a reason breaks a freeze or a window, never health, capacity or what a stack allows."""
_NEEDED_PROCESSES = ("HealthCheck", "Launch", "ReplaceUnhealthy", "Terminate", "AddToLoadBalancer")
"""Without these the group does not replace a lost host: the drill could only fail."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What users are expected to ask of the cluster at the hour of the drill."""

    per_second: float
    """The upper quantile of the forecast."""
    unit_capacity: float
    """Demand per second that one host carries at the cluster's target utilisation."""
    quantile: float = 0.99
    source: str = "forecast"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard's answer."""

    name: str
    verdict: str
    """holds, unknown (a warning), overridden or refused."""
    found: str
    remedy: str = ""
    """What the user can do; empty when it holds."""


def guards(
    kind: str,
    group: Group,
    fleet: Fleet,
    *,
    stack: str,
    now: datetime,
    demand: Demand | None,
    right_now: bool,
    overrides: Mapping[str, str],
) -> tuple[Guard, ...]:
    """Every guard's answer for losing one host of the group. Pure."""
    answers = (
        _allowed(kind, fleet, stack),
        _fault_ends(kind, fleet.stacks[stack].target),
        _steady(group),
        _capacity(group, fleet, demand),
        _freeze(fleet, now),
        _hours(fleet, now, right_now),
    )
    return tuple(_overridden(guard, overrides) for guard in answers)


def _allowed(kind: str, fleet: Fleet, stack: str) -> Guard:
    allowed = fleet.allowed_drills(stack)
    if allowed is None or kind in allowed:
        return Guard("allow", "holds", f"stack {stack} permits {kind}")
    return Guard(
        "allow",
        "refused",
        f"stack {stack} permits only {', '.join(allowed) or 'no drill'}",
        f"recovery.allow.{stack}: add {kind}, once you mean it",
    )


def _fault_ends(kind: str, target: str) -> Guard:
    if target == "local":
        return Guard("fault", "holds", "the local cloud ends the fault: the group replaces the host")
    return Guard(
        "fault",
        "refused",
        f"no AWS Fault Injection experiment for {kind} is written yet, and a fault that AWS does not end is not done",
        "rehearse it on a local stack",
    )


def _steady(group: Group) -> Guard:
    serving = sum(host.serving for host in group.hosts)
    suspended = [name for name in group.suspended if name in _NEEDED_PROCESSES]
    if suspended:
        return Guard(
            "steady_state",
            "refused",
            f"{group.name} has {', '.join(suspended)} suspended: it would not replace the host",
            "end the work that suspended it (`ops status`), or `ops patch recover`",
        )
    odd = [f"{host.id} is {host.lifecycle}/{host.health}" for host in group.hosts if not host.serving]
    if serving < max(group.desired, 1) or odd:
        return Guard(
            "steady_state",
            "refused",
            f"{serving} of {group.desired} hosts serve" + (f": {'; '.join(odd)}" if odd else ""),
            "make the cluster whole first: `ops status`",
        )
    return Guard("steady_state", "holds", f"{serving} of {group.desired} hosts serve")


def _capacity(group: Group, fleet: Fleet, demand: Demand | None) -> Guard:
    serving = [host for host in group.hosts if host.serving]
    left = len(serving) - 1
    if left < 1:
        return Guard(
            "capacity",
            "refused",
            f"{left if left > 0 else 'none'} of {len(serving)} hosts would be left",
            f"raise clusters.{group.cluster}.size.min to 2 or more",
        )
    settings = fleet.capacity_of(group.cluster)
    if demand is None:
        lost = min(settings.survive.zones, fleet.zones - 1)
        needed = math.ceil(fleet.clusters[group.cluster].size.min * (fleet.zones - lost) / fleet.zones)
        enough = "as many as" if left >= needed else "FEWER than"
        return Guard(
            "capacity",
            "unknown",
            f"demand is unknown; {left} hosts would be left, {enough} the {needed} that size.min leaves "
            f"when {lost} of {fleet.zones} zones are lost",
            "give the cluster a metric and a forecast: `ops forecast run`",
        )
    one = demand.unit_capacity * settings.survive.at_utilisation / settings.target_utilisation
    needed = math.ceil(demand.per_second / one)
    found = (
        f"{left} hosts would be left; {demand.per_second:g}/s ({demand.source}, quantile {demand.quantile:g}) "
        f"need {needed} at {settings.survive.at_utilisation:.0%} utilisation"
    )
    if left >= needed:
        return Guard("capacity", "holds", found)
    return Guard("capacity", "refused", found, f"scale {group.cluster} up first, or choose a quieter hour")


def _freeze(fleet: Fleet, now: datetime) -> Guard:
    today = now.astimezone(fleet.tz).date()
    for freeze in fleet.freezes:
        if freeze.from_ <= today <= freeze.to:
            why = f": {freeze.why}" if freeze.why else ""
            return Guard(
                "freeze",
                "refused",
                f"{today} is frozen ({freeze.from_} to {freeze.to}{why})",
                f"wait until {freeze.to} is over, or --override freeze --reason …",
            )
    return Guard("freeze", "holds", f"{today} is not frozen")


def _hours(fleet: Fleet, now: datetime, right_now: bool) -> Guard:
    local = now.astimezone(fleet.tz)
    shown = f"{local:%a %H:%M} {fleet.timezone}"
    if fleet.recovery.hours.contains(now, fleet.tz):
        return Guard("hours", "holds", f"{shown} is within {fleet.recovery.hours}")
    if right_now:
        return Guard("hours", "holds", f"{shown} is outside {fleet.recovery.hours}; asked for now")
    return Guard("hours", "refused", f"{shown} is outside {fleet.recovery.hours}", "come back then, or say --now")


def _overridden(guard: Guard, overrides: Mapping[str, str]) -> Guard:
    reason = overrides.get(guard.name, "").strip()
    if guard.verdict != "refused" or guard.name not in OVERRIDABLE or not reason:
        return guard
    return replace(guard, verdict="overridden", found=f"{guard.found}; overridden: {reason}")
