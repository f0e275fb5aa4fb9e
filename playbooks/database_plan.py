"""The maintenance of one database: what is pending on it, and the plan for it as a value. Pure.

What RDS does itself: a system update goes to the standby first, which then takes over; a minor version goes to both at
once, so the database is away meanwhile; settings that are read at the start wait for a restart of ours, for ever.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.windows import parse_clock
from quartermaster.playbooks.patch import ends_at, refuse, time_faults

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["Act", "DatabasePlan", "Instance", "plan"]

_UPGRADE = "db-upgrade"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Instance:
    """A database as RDS shows it."""

    id: str
    arn: str
    status: str
    zone: str
    standby_zone: str
    """Empty without a standby."""
    version: str
    pending_reboot: bool
    """Whether settings wait for a restart."""
    settings: tuple[str, ...] = ()
    """Names of the parameter group's own settings that are read at the start only."""
    actions: tuple[str, ...] = ()
    """Pending maintenance: system-update, db-upgrade, …"""
    minors: tuple[str, ...] = ()
    """Newer versions of the same major, oldest first."""
    backup_window: str = ""
    """``21:00-22:00``, in UTC."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to be done to the database."""

    kind: str
    """maintenance, upgrade or reboot."""
    name: str
    """The maintenance action, or the version; of a restart ``failover`` or ``restart``."""
    why: str
    how: str
    """What it does to those who write."""

    @property
    def step(self) -> str:
        """Its name among the run's events."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """What one maintenance run does to one database."""

    database: str
    instance: str
    zone: str
    standby_zone: str
    version: str
    acts: tuple[Act, ...]
    ends_at: datetime | None
    """No act begins after this."""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {**asdict(self), "ends_at": self.ends_at.isoformat() if self.ends_at else None}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DatabasePlan:
        """The plan back from its JSON object."""
        return cls(
            **{
                **record,
                "acts": tuple(Act(**act) for act in record["acts"]),
                "ends_at": datetime.fromisoformat(record["ends_at"]) if record["ends_at"] else None,
                "warnings": tuple(record["warnings"]),
            }
        )


def plan(
    found: Instance, fleet: Fleet, database: str, now: datetime, *, override: str = "", ahead: bool = False
) -> DatabasePlan:
    """The plan for one database; ``ahead``: only to be looked at, so that a shut window is told and not refused.

    Raises GuardRefused, naming everything that stands against it.
    """
    breaks = time_faults(fleet, database, now)
    hours = [] if override or ahead else breaks
    refuse(database, "maintained", _faults(found, now), hours, remedy="wait for that")
    policy = fleet.patching_of(database)
    raises = policy.minor_versions == "automatic"
    warnings = [f"override: {override}: {fault}" if override else f"not now: {fault}" for fault in breaks]
    if (found.minors or _UPGRADE in found.actions) and not raises:
        newest = found.minors[-1] if found.minors else "a newer version"
        warnings.append(f"{newest} is left: patching.{database}.minor_versions is pinned to {found.version}")
    return DatabasePlan(
        database=database,
        instance=found.id,
        zone=found.zone,
        standby_zone=found.standby_zone,
        version=found.version,
        acts=_acts(found, raises=raises),
        ends_at=ends_at(fleet, database, now) if not breaks else None,
        warnings=tuple(warnings),
    )


def _faults(found: Instance, now: datetime) -> list[str]:
    faults = [] if found.status == "available" else [f"it is {found.status}"]
    if found.backup_window:
        start, stop = (parse_clock(text) for text in found.backup_window.split("-"))
        since = now.astimezone(UTC) - now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if (since - start) % _DAY < (stop - start) % _DAY:
            faults.append(f"its backup window is open ({found.backup_window} UTC)")
    return faults


def _acts(found: Instance, *, raises: bool) -> tuple[Act, ...]:
    standby = bool(found.standby_zone)
    acts = [
        Act(
            "maintenance",
            action,
            "RDS has it pending",
            "RDS does the standby first, which takes over: a failover" if standby else "the database is away meanwhile",
        )
        for action in found.actions
        if action != _UPGRADE
    ]
    if raises and (_UPGRADE in found.actions or found.minors):
        away = "RDS upgrades primary and standby at once: the database is away meanwhile"
        if _UPGRADE in found.actions:
            acts.append(Act("maintenance", _UPGRADE, "RDS has it pending", away))
        else:
            acts.append(Act("upgrade", found.minors[-1], f"it is of {found.version}", away))
    if found.pending_reboot:
        waiting = ", ".join(found.settings) or "another parameter group"
        how = f"the standby in {found.standby_zone} starts with them and takes over" if standby else "it restarts"
        acts.append(Act("reboot", "failover" if standby else "restart", f"settings wait for it: {waiting}", how))
    return tuple(acts)
