"""What is known of the backups of one database: values that the API and the work on them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["Base", "Kept", "Restore"]


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup in the object store."""

    label: str
    """pgBackRest's."""
    snapshot: str
    """The snapshot that it is."""
    started_at: datetime
    ended_at: datetime
    size: int
    """Bytes of the database."""


@dataclass(frozen=True, slots=True)
class Restore:
    """What an instance is to be made from."""

    resource: str
    """DbiResourceId whose backups are read."""
    region: str
    label: str = ""
    """The base backup of a snapshot, restored as it was; …"""
    to: datetime | None = None
    """… without one the instant to restore to."""
    admits: tuple[str, ...] = ()
    """CIDRs that its security groups let in."""


@dataclass
class Kept:
    """The backups of one instance; they outlive it where snapshots do."""

    name: str
    resource: str
    region: str
    days: int
    """BackupRetentionPeriod; 0: nothing is kept by itself."""
    window: str
    """PreferredBackupWindow, UTC."""
    bases: list[Base] = field(default_factory=list)
    latest_at: datetime | None = None
    """The newest instant whose WAL has arrived."""
    asked: list[str] = field(default_factory=list)
    """Snapshots that are to be made."""
    dropped: list[str] = field(default_factory=list)
    """Labels that are to be removed."""
    instance: Any = None
    """moto's; a deleted one's as it was."""
    last: str = ""
    """The snapshot that is to be made before it goes, …"""
    leave: Callable[[], Any] | None = None
    """… and what makes it go then."""
    trouble: str = ""
    """Why its backups fail; empty when they do not."""

    @property
    def earliest_at(self) -> datetime | None:
        """The first instant that can be restored to: within the retention, and after a base backup's end."""
        since = datetime.now(UTC) - timedelta(days=self.days)
        ends = [base.ended_at for base in self.bases]
        return max(min(ends), since) if ends else None

    def to_row(self) -> dict[str, Any]:
        """As DescribeDBInstanceAutomatedBackups tells of it."""
        database, earliest = self.instance, self.earliest_at
        window = {"EarliestTime": earliest, "LatestTime": self.latest_at} if earliest and self.latest_at else {}
        return {
            "DBInstanceArn": database.db_instance_arn,
            "DbiResourceId": self.resource,
            "Region": self.region,
            "DBInstanceIdentifier": self.name,
            "RestoreWindow": window,
            "AllocatedStorage": database.allocated_storage,
            "Status": "active" if window else "creating",
            "Port": database.port,
            "InstanceCreateTime": database.created,
            "MasterUsername": database.master_username,
            "Engine": database.engine,
            "EngineVersion": database.engine_version,
            "StorageType": database.storage_type,
            "Encrypted": bool(database.storage_encrypted),
            "KmsKeyId": database.kms_key_id,
            "BackupRetentionPeriod": self.days,
            "MultiAZ": bool(database.multi_az),
        }
