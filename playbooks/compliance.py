"""Compliance: what is pending on each host of a cluster, for how long, and why it is not installed yet. Pure.

Made of the last reading of the hosts, the cycles since, and what fleet.yaml declares; asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quartermaster.playbooks.approval import approved
from quartermaster.playbooks.compliance_history import Cycle, touched
from quartermaster.playbooks.compliance_store import HostReading, Reading, tally
from quartermaster.playbooks.compliance_why import Opening, Reason, opening, reasons
from quartermaster.playbooks.machine import Update

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["Compliance", "HostCompliance", "compliance"]


@dataclass(frozen=True, slots=True)
class HostCompliance:
    """One host."""

    id: str
    zone: str
    updates: tuple[Update, ...]
    """What is pending, dependencies that would come anew left out."""
    security: int
    oldest_days: float | None
    reboot_required: bool
    old_bundle: str
    """SHA-256 of its role bundle, where new hosts get another."""
    last_run: str
    """The cycle that last worked on it; empty: none did."""
    last_state: str
    last_at: datetime | None
    reasons: tuple[Reason, ...]
    """Why what is pending is not installed yet, the nearest first; empty when nothing is."""

    def to_json(self) -> dict[str, Any]:
        return {
            **{"id": self.id, "zone": self.zone, "pending": len(self.updates), "security": self.security},
            **{"oldest_days": self.oldest_days, "reboot_required": self.reboot_required},
            "old_bundle": self.old_bundle or None,
            "updates": [asdict(update) for update in self.updates],
            "last": {"run": self.last_run, "state": self.last_state, "at": _iso(self.last_at)}
            if self.last_run
            else None,
            "why_not": [asdict(reason) for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Compliance:
    """One cluster."""

    cluster: str
    read_at: datetime | None
    """When the hosts were last asked; None: never."""
    age_seconds: float | None
    hosts: tuple[HostCompliance, ...]
    pending: int
    security: int
    oldest_days: float | None
    reboots: int
    unreachable: int
    opening: Opening | None
    """The next stretch in which the cluster may be patched; None: there is none in sight."""
    last: Cycle | None

    def to_json(self) -> dict[str, Any]:
        last = self.last
        return {
            "cluster": self.cluster,
            "read_at": _iso(self.read_at),
            "age_seconds": self.age_seconds,
            "pending": self.pending,
            "security": self.security,
            "oldest_days": self.oldest_days,
            "reboots": self.reboots,
            "unreachable": self.unreachable,
            "window": {"from": _iso(self.opening.start), "to": _iso(self.opening.end)} if self.opening else None,
            "last_cycle": {"run": last.run, "state": last.state, "at": _iso(last.at), "why": last.why}
            if last
            else None,
            "hosts": [host.to_json() for host in self.hosts],
        }


def compliance(fleet: Fleet, cluster: str, read: Reading | None, cycles: Sequence[Cycle], now: datetime) -> Compliance:
    """The cluster as it stands in the books at ``now`` (aware). ``cycles`` newest first."""
    there = [host for host in read.hosts if not _replaced(host, read.at, cycles)] if read else []
    since = read and Reading(read.at, tuple(_later(host, read.at, cycles, fleet, cluster) for host in there))
    counted = tally(replace(since, at=now)) if since else None
    opens = opening(fleet, cluster, now)
    return Compliance(
        cluster=cluster,
        read_at=read.at if read else None,
        age_seconds=round((now - read.at).total_seconds(), 3) if read else None,
        hosts=tuple(_host(fleet, cluster, host, cycles, opens, now) for host in (since.hosts if since else ())),
        pending=counted.pending if counted else 0,
        security=counted.security if counted else 0,
        oldest_days=_tenth(counted.oldest_days) if counted else None,
        reboots=counted.reboots if counted else 0,
        unreachable=counted.unreachable if counted else 0,
        opening=opens,
        last=cycles[0] if cycles else None,
    )


def _replaced(host: HostReading, read_at: datetime, cycles: Sequence[Cycle]) -> bool:
    """Whether a cycle that began since the host was read put another in its place."""
    ends = [one.host(host.id) for one in cycles if one.started_at >= read_at]
    return any(end is not None and end.state == "replaced" and end.seconds > 0 for end in ends)


def _later(host: HostReading, read_at: datetime, cycles: Sequence[Cycle], fleet: Fleet, cluster: str) -> HostReading:
    """The host as it is after the cycles that began since it was read: what they installed is not pending."""
    ends = [one.host(host.id) for one in cycles if one.started_at >= read_at]
    done = {spelled for end in ends if end and end.state == "patched" for spelled in end.new.split(",")}
    if not done:
        return host
    left = tuple(update for update in host.survey.updates if f"{update.name}={update.new}" not in done)
    # A cycle reboots what asks for it, unless it may not.
    asks = host.survey.reboot_required and fleet.patching_of(cluster).reboot == "never"
    return replace(host, survey=replace(host.survey, updates=left, reboot_required=asks, error=""))


def _host(
    fleet: Fleet, cluster: str, host: HostReading, cycles: Sequence[Cycle], opens: Opening | None, now: datetime
) -> HostCompliance:
    updates = tuple(update for update in host.survey.updates if update.old)
    allowed, withheld = approved(updates, fleet.patching_of(cluster).approve, now)
    seen = [datetime.fromisoformat(update.first_seen) for update in updates if update.first_seen]
    last = touched(cycles, host.id)
    waits = bool(updates) or host.survey.reboot_required or bool(host.survey.error or host.survey.bundle)
    return HostCompliance(
        id=host.id,
        zone=host.zone,
        updates=updates,
        security=sum(update.security for update in updates),
        oldest_days=_tenth((now - min(seen)).total_seconds() / 86400) if seen else None,
        reboot_required=host.survey.reboot_required,
        old_bundle=host.survey.bundle,
        last_run=last[0].run if last else "",
        last_state=last[1].state if last else "",
        last_at=last[0].at if last else None,
        reasons=reasons(fleet, cluster, host, allowed, withheld, cycles, opens, now) if waits else (),
    )


def _tenth(days: float | None) -> float | None:
    return None if days is None else round(days, 1)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
