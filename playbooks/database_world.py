"""One database of RDS, as a seam: the cloud's, or a fake in tests."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.databases import Databases
from quartermaster.playbooks.database_plan import Act, Instance

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
        self._databases = Databases(cloud, {instance: instance})

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
            told(
                lambda: self._rds.modify_db_instance(
                    DBInstanceIdentifier=self._id, EngineVersion=act.name, ApplyImmediately=True
                )
            )
        else:
            self._databases.reboot(self._id, failover=act.name == "failover")

    def events(self, since: datetime) -> list[tuple[datetime, str]]:
        return self._databases.events(self._id, since)

    def _read(self) -> Instance:
        rds, found = self._rds, self._databases.state(self._id)
        pages = rds.get_paginator("describe_db_parameters").paginate(
            DBParameterGroupName=found.parameter_group, Source="user"
        )
        own = [row for page in pages for row in page["Parameters"]]
        pending = rds.describe_pending_maintenance_actions(ResourceIdentifier=found.arn)
        actions = [
            item["Action"]
            for row in pending["PendingMaintenanceActions"]
            for item in row["PendingMaintenanceActionDetails"]
        ]
        return Instance(
            id=self._id,
            arn=found.arn,
            status=found.status,
            zone=found.zone,
            standby_zone=found.standby_zone,
            version=found.version,
            pending_reboot=found.pending_reboot,
            settings=tuple(sorted(row["ParameterName"] for row in own if row.get("ApplyMethod") == "pending-reboot")),
            actions=tuple(sorted(actions)),
            minors=self._minors(found.version),
            backup_window=found.backup_window,
        )

    def _minors(self, version: str) -> tuple[str, ...]:
        rows = self._rds.describe_db_engine_versions(Engine="postgres", EngineVersion=version)["DBEngineVersions"]
        targets = [item for row in rows for item in row.get("ValidUpgradeTarget", [])]
        minor = [item["EngineVersion"] for item in targets if not item["IsMajorVersionUpgrade"]]
        return tuple(sorted(minor, key=lambda text: [int(part) for part in text.split(".")]))
