"""One database of RDS, as a seam: the cloud's, or a fake in tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import InputError
from quartermaster.playbooks.database_plan import Act, Instance
from quartermaster.playbooks.world import told

__all__ = ["CloudDatabase", "Server"]


class Server(Protocol):
    """A database: read, and maintained. All raise OpsError where the cloud refuses."""

    def read(self) -> Instance:
        """As it is now. Read-only."""
        ...

    def do(self, act: Act) -> None:
        """Order the act; RDS does it in its own time."""
        ...

    def events(self, since: datetime) -> list[tuple[datetime, str]]:
        """What RDS tells of it since then, oldest first. Read-only."""
        ...


class CloudDatabase:
    """A database through the AWS API."""

    def __init__(self, cloud: Cloud, instance: str) -> None:
        self._rds = cloud.client("rds")
        self._id = instance

    def read(self) -> Instance:
        return told(self._read)

    def do(self, act: Act) -> None:
        if act.kind == "maintenance":
            arn = self.read().arn
            told(
                lambda: self._rds.apply_pending_maintenance_action(
                    ResourceIdentifier=arn, ApplyAction=act.name, OptInType="immediate"
                )
            )
        elif act.kind == "upgrade":
            self._call(self._rds.modify_db_instance, EngineVersion=act.name, ApplyImmediately=True)
        else:
            self._call(self._rds.reboot_db_instance, ForceFailover=act.name == "failover")

    def events(self, since: datetime) -> list[tuple[datetime, str]]:
        answer = told(
            lambda: self._rds.describe_events(SourceIdentifier=self._id, SourceType="db-instance", StartTime=since)
        )
        return sorted((row["Date"], row["Message"]) for row in answer["Events"] if row["Date"] >= since)

    def _call(self, call: Callable[..., Any], **arguments: Any) -> None:
        told(lambda: call(DBInstanceIdentifier=self._id, **arguments))

    def _read(self) -> Instance:
        rds = self._rds
        try:
            found = rds.describe_db_instances(DBInstanceIdentifier=self._id)["DBInstances"][0]
        except rds.exceptions.DBInstanceNotFoundFault as exc:
            raise InputError(f"RDS has no database {self._id}", remedy="ops provision up") from exc
        group = found["DBParameterGroups"][0]
        pages = rds.get_paginator("describe_db_parameters").paginate(
            DBParameterGroupName=group["DBParameterGroupName"], Source="user"
        )
        own = [row for page in pages for row in page["Parameters"]]
        pending = rds.describe_pending_maintenance_actions(ResourceIdentifier=found["DBInstanceArn"])
        actions = [
            item["Action"]
            for row in pending["PendingMaintenanceActions"]
            for item in row["PendingMaintenanceActionDetails"]
        ]
        return Instance(
            id=self._id,
            arn=found["DBInstanceArn"],
            status=found["DBInstanceStatus"],
            zone=found.get("AvailabilityZone", ""),
            standby_zone=found.get("SecondaryAvailabilityZone", "") if found.get("MultiAZ") else "",
            version=found["EngineVersion"],
            pending_reboot=group["ParameterApplyStatus"] == "pending-reboot",
            settings=tuple(sorted(row["ParameterName"] for row in own if row.get("ApplyMethod") == "pending-reboot")),
            actions=tuple(sorted(actions)),
            minors=self._minors(found["EngineVersion"]),
            backup_window=found.get("PreferredBackupWindow", "") if found.get("BackupRetentionPeriod") else "",
        )

    def _minors(self, version: str) -> tuple[str, ...]:
        rows = self._rds.describe_db_engine_versions(Engine="postgres", EngineVersion=version)["DBEngineVersions"]
        targets = [item for row in rows for item in row.get("ValidUpgradeTarget", [])]
        minor = [item["EngineVersion"] for item in targets if not item["IsMajorVersionUpgrade"]]
        return tuple(sorted(minor, key=lambda text: [int(part) for part in text.split(".")]))
