"""Guards: what must be so before a drill may start, each as a value with what was found and what would help."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from quartermaster.fleet.durations import age
from quartermaster.fleet.hosts import Group
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.probes import steady_database

__all__ = ["OVERRIDABLE", "guards"]

OVERRIDABLE = ("freeze", "hours")
"""Rule 9: an override with a reason breaks a freeze or a window, never health, capacity or what a stack allows."""
_NEEDED_PROCESSES = ("HealthCheck", "Launch", "ReplaceUnhealthy", "Terminate", "AddToLoadBalancer")
"""Without these a group does not replace a lost host: the drill could only fail."""
_FRESH = timedelta(minutes=30)
"""RDS archives every five minutes: what can be restored to is older only where backups do not work.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html
"""


def guards(kind: Kind, case: Case, loss: Loss, *, right_now: bool, overrides: Mapping[str, str]) -> tuple[Guard, ...]:
    """Every guard's answer. Pure."""
    answers = (
        _allowed(kind, case),
        _fault_ends(kind, case),
        *_fault_stops(case, loss),
        _steady(case),
        *_capacity(case, loss),
        *_backups(case, loss),
        _alarms(case),
        *kind.guards(case, loss),
        _freeze(case),
        _hours(case, right_now),
    )
    return tuple(_overridden(guard, overrides) for guard in answers)


def _allowed(kind: Kind, case: Case) -> Guard:
    allowed = case.fleet.allowed_drills(case.stack)
    if allowed is None or kind.name in allowed:
        return Guard("allow", "holds", f"stack {case.stack} permits {kind.name}")
    return Guard(
        "allow",
        "refused",
        f"stack {case.stack} permits only {', '.join(allowed) or 'no drill'}",
        f"recovery.allow.{case.stack}: add {kind.name}, once you mean it",
    )


def _fault_ends(kind: Kind, case: Case) -> Guard:
    if case.target == "local":
        return Guard("fault", "holds", "the local cloud holds no users: what is cut off there is ended by `recover`")
    if kind.ends_on_aws:
        return Guard("fault", "holds", kind.ends_on_aws)
    return Guard(
        "fault",
        "refused",
        f"nothing on AWS ends a {kind.name} by itself yet, and a fault that AWS does not end is not done",
        "rehearse it on a local stack",
    )


def _fault_stops(case: Case, loss: Loss) -> Iterator[Guard]:
    """On AWS an alarm that rings ends what users suffer from."""
    if case.target == "aws" and (loss.hosts or loss.zone or loss.databases):
        why = case.known.unstoppable
        verdict, remedy = ("refused", "ops provision up makes the alarms") if why else ("holds", "")
        yield Guard(
            "stop_conditions", verdict, why or "alarms on errors and latency of the stack end the fault", remedy
        )


def _steady(case: Case) -> Guard:
    """All that the drill looks at is whole before it."""
    problems, found = [], []
    for group in case.scene.groups.values():
        serving = sum(host.serving for host in group.hosts)
        found.append(f"{serving} of {group.desired} hosts serve")
        suspended = [name for name in group.suspended if name in _NEEDED_PROCESSES]
        if suspended:
            return Guard(
                "steady_state",
                "refused",
                f"{group.name} has {', '.join(suspended)} suspended: it would not replace a host",
                "end the work that suspended it (`ops status`), or `ops patch recover`",
            )
        odd = [f"{host.id} is {host.lifecycle}/{host.health}" for host in group.hosts if not host.serving]
        if serving < max(group.desired, 1) or odd:
            problems.append(found[-1] + (f": {'; '.join(odd)}" if odd else ""))
    for state in case.scene.databases.values():
        reading = steady_database(state)
        found.append(reading.found)
        problems += [] if reading.holds else [reading.found]
    if problems:
        return Guard("steady_state", "refused", "; ".join(problems), "make it whole first: `ops status`")
    return Guard("steady_state", "holds", "; ".join(found))


def _capacity(case: Case, loss: Loss) -> Iterator[Guard]:
    """Of each group that loses hosts, what is left carries the demand of the hour."""
    for name, group in case.scene.groups.items():
        serving = [host for host in group.hosts if host.serving]
        left = sum(host.id not in loss.hosts for host in serving)
        # A group of whose hosts none could be chosen is asked, too: nothing would be left.
        if left < len(serving) or not serving:
            yield _left(case, name, group, left, len(serving))


def _left(case: Case, name: str, group: Group, left: int, serving: int) -> Guard:
    fleet = case.fleet
    if left < 1:
        return Guard(
            "capacity",
            "refused",
            f"none of {serving} hosts of {name} would be left",
            f"raise clusters.{name}.size.min, so that its hosts are in more zones than are lost",
        )
    settings, demand = fleet.capacity_of(name), case.known.demand.get(name)
    if demand is None:
        lost = min(settings.survive.zones, fleet.zones - 1)
        needed = math.ceil(fleet.clusters[name].size.min * (fleet.zones - lost) / fleet.zones)
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


def _backups(case: Case, loss: Loss) -> Iterator[Guard]:
    """What the drill does to a database could be undone from a backup, should it go wrong."""
    for name in loss.databases:
        newest = case.scene.databases[name].restorable_to
        if newest is None:
            found, remedy = f"nothing says that {name} can be restored", f"`ops backup run {name}` first"
            yield Guard("backup", "unknown", found, remedy)
        elif case.now - newest > _FRESH:
            old = age((case.now - newest).total_seconds())
            found = f"{name} can be restored only to {newest:%Y-%m-%d %H:%M} UTC, {old} ago"
            yield Guard("backup", "refused", found, "mend its backups first: `ops backup list`")
        else:
            yield Guard("backup", "holds", f"{name} can be restored to {newest:%Y-%m-%d %H:%M} UTC")


def _alarms(case: Case) -> Guard:
    firing = case.known.alarms
    if firing is None:
        return Guard("alarms", "unknown", "nobody asked whether alarms fire", "`ops status`")
    if firing:
        found = f"{len(firing)} of the stack fire: {', '.join(firing)}"
        return Guard("alarms", "refused", found, "find out what they warn of; drill when they are silent")
    return Guard("alarms", "holds", "no alarm of the stack fires")


def _freeze(case: Case) -> Guard:
    today = case.now.astimezone(case.fleet.tz).date()
    for freeze in case.fleet.freezes:
        if freeze.from_ <= today <= freeze.to:
            why = f": {freeze.why}" if freeze.why else ""
            return Guard(
                "freeze",
                "refused",
                f"{today} is frozen ({freeze.from_} to {freeze.to}{why})",
                f"wait until {freeze.to} is over, or --override freeze --reason …",
            )
    return Guard("freeze", "holds", f"{today} is not frozen")


def _hours(case: Case, right_now: bool) -> Guard:
    fleet = case.fleet
    local = case.now.astimezone(fleet.tz)
    shown = f"{local:%a %H:%M} {fleet.timezone}"
    if fleet.recovery.hours.contains(case.now, fleet.tz):
        return Guard("hours", "holds", f"{shown} is within {fleet.recovery.hours}")
    if right_now:
        return Guard("hours", "holds", f"{shown} is outside {fleet.recovery.hours}; asked for now")
    return Guard("hours", "refused", f"{shown} is outside {fleet.recovery.hours}", "come back then, or say --now")


def _overridden(guard: Guard, overrides: Mapping[str, str]) -> Guard:
    reason = overrides.get(guard.name, "").strip()
    if guard.verdict != "refused" or guard.name not in OVERRIDABLE or not reason:
        return guard
    return replace(guard, verdict="overridden", found=f"{guard.found}; overridden: {reason}")
