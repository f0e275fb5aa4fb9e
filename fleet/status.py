"""How clusters and databases stand: what was read of them, weighed. Pure: who reads is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.hosts import Group

__all__ = [
    "LEVELS",
    "ClusterFacts",
    "DatabaseFacts",
    "DrillFact",
    "Level",
    "Peak",
    "Remark",
    "Standing",
    "of_cluster",
    "of_database",
]

Level = Literal["failing", "attention", "unknown", "fine"]
LEVELS: tuple[Level, ...] = ("failing", "attention", "unknown", "fine")
"""The worst first."""
_SHORT_RUNWAY = timedelta(days=30)
"""Time in which a quota is raised and a budget asked for."""
_OLD_SECURITY_DAYS = 30.0
"""PCI DSS 4.0, 6.3.3: critical and high updates within a month of their release."""

_WORKING = ("backing-up", "creating", "modifying", "storage-optimization")
"""RDS's words for a database that is well all the same.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html#Overview.DBInstance.Status
"""
_BROKEN = {
    "rebooting": (
        "it restarts or fails over, and takes no writes",
        "RDS ends it within minutes; if not: ops runbook run failover {name}",
    ),
    "storage-full": ("it takes no writes", "raise databases.{name}.storage_gib; ops provision up"),
    "stopped": ("nobody can use it", "aws rds start-db-instance --db-instance-identifier {id}"),
}
"""What others of RDS's words mean, and what helps."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that someone should know."""

    level: Level
    text: str
    remedy: str = ""
    """The command or change that helps."""
    run: str = ""
    """That it is about."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The busiest hour of the coming day, as the last plan expected it."""

    at: datetime
    needed: int
    """Hosts that carry its upper quantile with the declared zones lost."""
    needed_now: int
    """The same for the hour that is."""
    planned_at: datetime
    runway: Mapping[str, Any]
    """To ``size.max``: p10, p50, p90 (ISO dates or None) and the reason."""


@dataclass(frozen=True, slots=True)
class DrillFact:
    """A drill of this subject: declared, run, or both."""

    kind: str
    every_days: int | None
    """None: not declared."""
    last_at: datetime | None
    """When it was last run to its end; None: never."""
    rto_seconds: float | None
    objective_met: bool | None
    evidence: str
    """proven or rehearsed; empty: never run."""

    @property
    def due_at(self) -> datetime | None:
        """When evidence is too old; None for what is not declared or was never run."""
        if self.every_days is None or self.last_at is None:
            return None
        return self.last_at + timedelta(days=self.every_days)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What was read of one cluster."""

    name: str
    group: Group | None
    """None: not provisioned, or the cloud could not be read."""
    busy: str
    """The run that holds a lease on it; empty: none does."""
    peak: Peak | None
    patching: Mapping[str, Any]
    """``Compliance.to_json``."""
    drills: tuple[DrillFact, ...]
    read: bool = True
    """Whether the cloud could be read."""
    told: str = ""
    """What the group told last of its hosts, where not all serve."""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What was read of one database."""

    name: str
    engine: str
    state: DatabaseState | None
    """None: not provisioned, no RDS database, or the cloud could not be read."""
    busy: str
    last_backup_at: datetime | None
    """The newest instant that can be restored to."""
    drills: tuple[DrillFact, ...]
    read: bool = True
    """Whether the cloud could be read."""
    told: str = ""
    """What RDS told last of it, where it is not whole."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one of them stands."""

    facts: ClusterFacts | DatabaseFacts
    remarks: tuple[Remark, ...]
    """The worst first."""

    @property
    def level(self) -> Level:
        unread: Level = "fine" if self.facts.read else "unknown"
        return self.remarks[0].level if self.remarks else unread

    def to_json(self) -> dict[str, Any]:
        facts = asdict(self.facts)
        for drill, fact in zip(facts["drills"], self.facts.drills, strict=True):
            drill["due_at"] = fact.due_at
        return {"level": self.level, "remarks": [asdict(remark) for remark in self.remarks], **facts}


def of_cluster(facts: ClusterFacts, now: datetime) -> Standing:
    """The cluster at ``now`` (aware)."""
    group = facts.group
    remarks: list[Remark] = []
    if group is not None:
        remarks += _hosts(group, facts)
    elif facts.read:
        remarks.append(Remark("unknown", "not provisioned", "ops provision up"))
    if facts.peak is None:
        remarks.append(Remark("unknown", "demand is unknown", "ops metrics sync; ops capacity plan"))
    else:
        remarks += _capacity(facts.peak, group, now)
    return Standing(facts, _ordered([*remarks, *_patching(facts), *_drills(facts.name, facts.drills, now)]))


def of_database(facts: DatabaseFacts, now: datetime) -> Standing:
    """The database at ``now`` (aware)."""
    state, remarks = facts.state, []
    told = f"; {facts.told}" if facts.told else ""
    if facts.engine == "postgres" and state is None and facts.read:
        remarks.append(Remark("unknown", "not provisioned", "ops provision up"))
    if state is not None and state.status != "available":
        said = f"RDS calls it {state.status}"
        if facts.busy:
            text = f"{said}; {facts.busy} works on it"
            remarks.append(Remark("attention", text, f"ops history {facts.busy}", facts.busy))
        elif state.status in _WORKING:
            remarks.append(Remark("attention", f"{said}{told}", "it serves meanwhile; look again in some minutes"))
        else:
            what, helps = _BROKEN.get(state.status, ("", "ops runbook run restore {name}"))
            remedy = helps.format(name=facts.name, id=state.id)
            remarks.append(Remark("failing", said + (f": {what}" if what else "") + told, remedy))
    elif state is not None and not state.whole:
        remedy = "RDS makes a new one; look again in some minutes"
        remarks.append(Remark("failing", f"it has no standby: one more loss stops it{told}", remedy))
    if state is not None and facts.last_backup_at is None:
        remarks.append(Remark("failing", "nothing can be restored", f"ops backup run {facts.name}"))
    return Standing(facts, _ordered([*remarks, *_drills(facts.name, facts.drills, now)]))


def _hosts(group: Group, facts: ClusterFacts) -> list[Remark]:
    serving = sum(host.serving for host in group.hosts)
    odd = [f"{host.id} {host.lifecycle}/{host.health or 'no balancer'}" for host in group.hosts if not host.serving]
    found = []
    if odd or serving < group.desired:
        shown = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
        text = f"{serving} of {group.desired} serve" + (f": {shown}" if odd else "")
        if facts.busy:
            remedy = f"ops history {facts.busy}"
            found.append(Remark("attention", f"{text}; {facts.busy} works on it", remedy, facts.busy))
        else:
            text += f"; {facts.told}" if facts.told else ""
            found.append(Remark("failing", text, "its group replaces them; if not: ops provision drift"))
    if group.suspended and not facts.busy:
        names = ", ".join(group.suspended)
        lost = "lost hosts are not replaced: " if "ReplaceUnhealthy" in group.suspended else ""
        text = f"{lost}{names} suspended, and no run holds them"
        found.append(Remark("failing", text, f"ops patch recover {facts.name}"))
    return found


def _capacity(peak: Peak, group: Group | None, now: datetime) -> list[Remark]:
    found = []
    serving = sum(host.serving for host in group.hosts) if group else 0
    if group and serving < peak.needed_now:
        text = f"{serving} serve, this hour needs {peak.needed_now}"
        found.append(Remark("failing", text, "ops provision up, or raise size.min"))
    if group and peak.needed > group.max:
        text = f"{peak.at:%a %H:%M} UTC needs {peak.needed}, size.max is {group.max}"
        found.append(Remark("failing", text, "raise size.max; ops provision up"))
    end = peak.runway.get("p50")
    if end and datetime.fromisoformat(end).replace(tzinfo=now.tzinfo) < now + _SHORT_RUNWAY:
        found.append(Remark("attention", f"size.max is reached by {end[:10]}", "ops capacity plan"))
    if now - peak.planned_at > timedelta(days=7):
        days = (now - peak.planned_at).days
        found.append(Remark("attention", f"the plan is {days} days old", "ops metrics sync; ops capacity plan"))
    return found


def _patching(facts: ClusterFacts) -> list[Remark]:
    read = facts.patching
    if read["read_at"] is None:
        return [Remark("unknown", "patches were never read", f"ops patch status {facts.name} --refresh")]
    oldest, last = read["oldest_days"], read["last_cycle"]
    found = []
    if read["security"] and oldest is not None and oldest > _OLD_SECURITY_DAYS:
        text = f"security updates pending for {oldest:.0f} days"
        found.append(Remark("failing", text, f"ops patch run {facts.name}"))
    elif read["security"]:
        found.append(Remark("attention", f"{read['security']} security updates pending", f"ops patch run {facts.name}"))
    if last and last["state"] == "failed":  # what goes on where it stopped is told of the stack
        text = "the last patch cycle failed" + (f": {last['why']}" if last["why"] else "")
        found.append(Remark("attention", text, f"ops patch status {facts.name}"))
    return found


def _drills(name: str, drills: Sequence[DrillFact], now: datetime) -> list[Remark]:
    found = []
    for drill in drills:
        command = f"ops drill run {drill.kind} {name}"
        if drill.every_days is not None and drill.last_at is None:
            found.append(Remark("attention", f"{drill.kind} was never drilled", command))
        elif drill.due_at is not None and drill.due_at < now:
            days = max(1, (now - drill.due_at).days)
            found.append(Remark("attention", f"{drill.kind} drill overdue by {days} days", command))
        if drill.objective_met is False:
            text = f"the last {drill.kind} drill missed its objective"
            found.append(Remark("attention", text, "ops drill lint"))
    return found


def _ordered(remarks: Sequence[Remark]) -> tuple[Remark, ...]:
    return tuple(sorted(remarks, key=lambda remark: LEVELS.index(remark.level)))
