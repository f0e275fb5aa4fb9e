"""Why a pending update is not installed yet: every reason that stands against it, the nearest first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from quartermaster.playbooks.approval import Withheld
from quartermaster.playbooks.compliance_history import UNDONE, Cycle
from quartermaster.playbooks.compliance_store import HostReading
from quartermaster.playbooks.machine import Update

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.planning import Freeze

__all__ = ["Opening", "Reason", "opening", "reasons"]

_LOOK_AHEAD = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason."""

    kind: str
    """unreachable, bundle, failed, cycle, approval, freeze, window or ready."""
    text: str


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of the window outside freezes."""

    start: datetime
    end: datetime


def opening(fleet: Fleet, cluster: str, now: datetime) -> Opening | None:
    """The stretch of the window that holds now or comes next, freezes cut out; None within the next 90 days."""
    for start, end in fleet.patching_of(cluster).window.occurrences(now, now + _LOOK_AHEAD, fleet.tz):
        at = max(start, now)
        while at < end:
            freeze = _freeze(fleet, at)
            if freeze is None:
                starts = [datetime.combine(one.from_, time(), fleet.tz) for one in fleet.freezes]
                return Opening(at, min([end, *(one for one in starts if one > at)]))
            at = datetime.combine(freeze.to + timedelta(days=1), time(), fleet.tz)
    return None


def reasons(
    fleet: Fleet,
    cluster: str,
    host: HostReading,
    allowed: Sequence[Update],
    withheld: Sequence[Withheld],
    cycles: Sequence[Cycle],
    opens: Opening | None,
    now: datetime,
) -> tuple[Reason, ...]:
    """What stands between the host and what is pending on it. ``cycles`` newest first."""
    found = []
    if host.survey.error:
        found.append(Reason("unreachable", f"it did not answer: {host.survey.error}"))
    found += _last_time(cluster, host.id, cycles)
    replaced = fleet.patching_of(cluster).method == "replace"
    if bundle := host.survey.bundle:
        way = f"ops patch run {cluster} replaces it" if replaced else f"ops configure {cluster} brings it"
        found.append(Reason("bundle", f"it is of role bundle {bundle[:12]}, and new hosts get another: {way}"))
    if withheld:
        found.append(_waiting(withheld, len(allowed), fleet))
    due = bool(allowed or host.survey.reboot_required or host.survey.error or (bundle and replaced))
    if (withheld or bundle) and not due:
        return tuple(found)
    found += _not_now(fleet, cluster, opens, now)
    return tuple(found) or (Reason("ready", f"nothing stands against it: ops patch run {cluster}"),)


def _last_time(cluster: str, host_id: str, cycles: Sequence[Cycle]) -> list[Reason]:
    """What the last cycle says of it: that it failed there, or was not come to."""
    end = cycles[0].host(host_id) if cycles else None
    if end is None:
        return []
    last = cycles[0]
    if end.state in UNDONE:
        return [Reason("failed", f"{end.state.replace('_', ' ')} in {last.run}: {end.why or 'no reason was given'}")]
    if end.state != "pending":
        return []
    if last.state in ("interrupted", "stopped"):
        cut = "was cut short" if last.state == "interrupted" else f"stopped: {last.why or 'by hand'}"
        return [Reason("cycle", f"{last.run} {cut}; ops patch resume {cluster} goes on")]
    if last.state == "failed":
        return [Reason("cycle", f"{last.run} ended before it: {last.why or 'no reason was given'}")]
    return []


def _waiting(withheld: Sequence[Withheld], allowed: int, fleet: Fleet) -> Reason:
    some = f"{len(withheld)} of {len(withheld) + allowed} not approved" if allowed else "not approved"
    dated = min((one for one in withheld if one.until), key=lambda one: one.until, default=None)
    if dated is None:
        return Reason("approval", f"{some}: {withheld[0].update.name} is {withheld[0].why}")
    until = datetime.fromisoformat(dated.until).astimezone(fleet.tz)
    return Reason("approval", f"{some} until {until:%a %d %b %H:%M}: {dated.why}")


def _not_now(fleet: Fleet, cluster: str, opens: Opening | None, now: datetime) -> list[Reason]:
    """Freeze and window, as they stand at the instant."""
    window = fleet.patching_of(cluster).window
    freeze = _freeze(fleet, now)
    if opens is None:
        last = (now + _LOOK_AHEAD).astimezone(fleet.tz)
        return [Reason("window", f"the window {str(window)!r} does not open before {last:%d %b %Y}")]
    when = f"{opens.start.astimezone(fleet.tz):%a %d %b %H:%M}"
    if freeze is not None:
        why = freeze.why or "no reason given"
        return [Reason("freeze", f"the freeze from {freeze.from_} to {freeze.to} holds ({why}); from {when} it may")]
    if opens.start > now:
        return [Reason("window", f"outside the window {str(window)!r}, which opens {when}")]
    return []


def _freeze(fleet: Fleet, at: datetime) -> Freeze | None:
    today = at.astimezone(fleet.tz).date()
    return next((freeze for freeze in fleet.freezes if freeze.from_ <= today <= freeze.to), None)
