"""Databases as RDS shows them, and the acts on one that patching and drills share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.errors import InputError

__all__ = ["DatabaseState", "Databases"]


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One database as RDS shows it at one instant."""

    name: str
    """The fleet's."""
    id: str
    """RDS's."""
    arn: str
    status: str
    """RDS's word: available, rebooting, creating, …"""
    zone: str
    """Where its primary is."""
    standby_zone: str
    """Where its standby is; empty without one."""
    multi_az: bool
    """Whether it is to have a standby."""
    address: str
    """Of its endpoint; empty before there is one."""
    port: int
    version: str
    backup_window: str
    """``21:00-22:00``, in UTC; empty without automatic backups."""
    parameter_group: str
    pending_reboot: bool
    """Whether settings wait for a restart."""
    restorable_to: datetime | None = None
    """The newest instant that can be restored to; None: nothing can be restored."""

    @property
    def whole(self) -> bool:
        """Available, and with the standby that it is to have."""
        return self.status == "available" and (bool(self.standby_zone) or not self.multi_az)


class Databases:
    """Reads and restarts the databases of one stack through the AWS API. All raise OpsError where AWS refuses."""

    def __init__(self, cloud: Cloud, ids: Mapping[str, str]) -> None:
        """``ids``: what RDS calls the fleet's databases, by their names in the fleet."""
        self._cloud = cloud
        self._ids = ids

    @cached_property
    def _rds(self) -> Any:
        """Made when first used: a fleet without databases asks RDS nothing."""
        return self._cloud.client("rds")

    def state(self, name: str) -> DatabaseState:
        """The database now. Read-only. Raises InputError when RDS has none of that name."""
        return _state(name, told(lambda: self._describe(self._ids[name])))

    def states(self) -> dict[str, DatabaseState]:
        """Those that RDS has, by name, in one reading. Read-only."""
        names = {rds_id: name for name, rds_id in self._ids.items()}
        pages = told(lambda: list(self._rds.get_paginator("describe_db_instances").paginate())) if names else []
        rows = [row for page in pages for row in page["DBInstances"] if row["DBInstanceIdentifier"] in names]
        return {names[row["DBInstanceIdentifier"]]: _state(names[row["DBInstanceIdentifier"]], row) for row in rows}

    def reboot(self, name: str, *, failover: bool) -> None:
        """Restart the database, or let its standby take over; RDS does it in its own time. Changes AWS."""
        told(lambda: self._rds.reboot_db_instance(DBInstanceIdentifier=self._ids[name], ForceFailover=failover))

    def events(self, name: str, since: datetime) -> list[tuple[datetime, str]]:
        """What RDS tells of the database since then, oldest first. Read-only."""
        answer = told(
            lambda: self._rds.describe_events(
                SourceIdentifier=self._ids[name], SourceType="db-instance", StartTime=since
            )
        )
        return sorted((row["Date"], row["Message"]) for row in answer["Events"] if row["Date"] >= since)

    def _describe(self, instance: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
        except self._rds.exceptions.DBInstanceNotFoundFault as exc:
            raise InputError(f"RDS has no database {instance}", remedy="ops provision up") from exc
        return found


def _state(name: str, found: Mapping[str, Any]) -> DatabaseState:
    endpoint, group = found.get("Endpoint") or {}, found["DBParameterGroups"][0]
    return DatabaseState(
        name=name,
        id=found["DBInstanceIdentifier"],
        arn=found["DBInstanceArn"],
        status=found["DBInstanceStatus"],
        zone=found.get("AvailabilityZone", ""),
        standby_zone=found.get("SecondaryAvailabilityZone", "") if found["MultiAZ"] else "",
        multi_az=found["MultiAZ"],
        address=endpoint.get("Address", ""),
        port=endpoint.get("Port", 0),
        version=found["EngineVersion"],
        backup_window=found.get("PreferredBackupWindow", "") if found.get("BackupRetentionPeriod") else "",
        parameter_group=group["DBParameterGroupName"],
        pending_reboot=group["ParameterApplyStatus"] == "pending-reboot",
        restorable_to=found.get("LatestRestorableTime"),
    )
