"""Recovery points of databases, and restores of them into isolation, through the AWS API of either target.

A restore makes an instance of its own, tagged and named after its source, that a closed security group keeps everybody
from; nothing here writes over a database that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import physical, tags
from quartermaster.runbooks.recovery_points import Choice, RecoveryPoint

__all__ = ["Backups", "Restored", "restored_name"]

TAG_RESTORED = "ops:restored-from"
_REMOVAL = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored instance as RDS shows it."""

    id: str
    status: str
    address: str
    port: int
    why: str
    """Why it could not be restored; empty while that is not known."""

    @property
    def ready(self) -> bool:
        return self.status == "available"

    @property
    def failed(self) -> bool:
        return self.status in ("restore-error", "failed", "incompatible-restore")


def restored_name(fleet: str, stack: str, name: str) -> str:
    """What RDS calls the instance that a database is restored as: a name that ops may delete (permissions). Pure."""
    return physical(fleet, stack, f"drill-{name}")


class Backups:
    """Backups of the databases of one stack. All raise OpsError where AWS refuses."""

    def __init__(self, cloud: Cloud, ids: Mapping[str, str]) -> None:
        """``ids``: what RDS calls the fleet's databases, by their names in the fleet."""
        self._cloud, self._ids = cloud, ids
        self._rds, self._ec2 = cloud.client("rds"), cloud.client("ec2")

    def points(self, name: str) -> list[RecoveryPoint]:
        """Recovery points of the database, newest first. Read-only."""
        rds, instance = self._rds, self._ids[name]
        rows = told(lambda: rds.describe_db_instance_automated_backups(DBInstanceIdentifier=instance))
        found = [self._continuous(row) for row in rows["DBInstanceAutomatedBackups"] if row.get("RestoreWindow")]
        pages = told(lambda: list(rds.get_paginator("describe_db_snapshots").paginate(DBInstanceIdentifier=instance)))
        days = next((row["BackupRetentionPeriod"] for row in rows["DBInstanceAutomatedBackups"]), 0)
        found += [self._snapshot(row, days) for page in pages for row in page["DBSnapshots"]]
        return sorted(found, key=lambda point: point.at, reverse=True)

    def take(self, name: str, snapshot: str) -> None:
        """Order a snapshot of that name; one that is there already is left. Changes AWS."""
        rds = self._rds
        labels = _labels(tags(self._cloud.fleet, self._cloud.stack))
        try:
            told_ = rds.create_db_snapshot
            told_(DBInstanceIdentifier=self._ids[name], DBSnapshotIdentifier=snapshot, Tags=labels)
        except rds.exceptions.DBSnapshotAlreadyExistsFault:
            return
        except rds.exceptions.ClientError as exc:
            raise OpsError(f"no snapshot of {name}: {exc}", remedy="ops status: is it available?") from exc

    def snapshot(self, name: str, snapshot: str) -> RecoveryPoint | None:
        """The snapshot of that name; None when there is none. Read-only."""
        return next((point for point in self.points(name) if point.id == snapshot), None)

    def restored_id(self, name: str) -> str:
        """What the restored instance is called: one at a time."""
        return restored_name(self._cloud.fleet, self._cloud.stack, name)

    def restore(self, name: str, choice: Choice) -> None:
        """Order the restore, into isolation. Raises OpsError where an instance of that name is there. Changes AWS."""
        source = told(lambda: self._rds.describe_db_instances(DBInstanceIdentifier=self._ids[name]))["DBInstances"][0]
        group = self._closed_group(name, source["DBSubnetGroup"]["VpcId"])
        common: dict[str, Any] = {
            "DBInstanceClass": source["DBInstanceClass"],
            "DBSubnetGroupName": source["DBSubnetGroup"]["DBSubnetGroupName"],
            "DBParameterGroupName": source["DBParameterGroups"][0]["DBParameterGroupName"],
            "VpcSecurityGroupIds": [group],
            "MultiAZ": False,
            "PubliclyAccessible": False,
            "DeletionProtection": False,
            "AutoMinorVersionUpgrade": False,
            "BackupRetentionPeriod": 0,
            "Tags": _labels({**tags(self._cloud.fleet, self._cloud.stack), TAG_RESTORED: self._ids[name]}),
        }
        target = self.restored_id(name)
        if choice.snapshot:
            told(
                lambda: self._rds.restore_db_instance_from_db_snapshot(
                    DBInstanceIdentifier=target, DBSnapshotIdentifier=choice.snapshot, **common
                )
            )
            return
        told(
            lambda: self._rds.restore_db_instance_to_point_in_time(
                SourceDBInstanceIdentifier=self._ids[name],
                TargetDBInstanceIdentifier=target,
                RestoreTime=choice.to,
                **common,
            )
        )

    def restored(self, name: str) -> Restored | None:
        """The restored instance now; None when there is none. Read-only. Raises OpsError for one that is not ours."""
        row = self._row(self.restored_id(name))
        if row is None:
            return None
        endpoint = row.get("Endpoint") or {}
        found = Restored(
            row["DBInstanceIdentifier"],
            row["DBInstanceStatus"],
            endpoint.get("Address", ""),
            endpoint.get("Port", 0),
            "",
        )
        return found if not found.failed else Restored(**{**asdict(found), "why": self._why(found.id)})

    def remove(self, name: str, clock: Clock) -> bool:
        """Remove the restored instance and its security group, and wait until they are gone; whether there was
        anything. Idempotent. Changes AWS. Raises OpsError when it takes too long."""
        target, until = self.restored_id(name), clock.now() + _REMOVAL
        changed = self.left(name)
        while (row := self._row(target)) is not None:
            if row["DBInstanceStatus"] != "deleting":
                told(
                    lambda: self._rds.delete_db_instance(
                        DBInstanceIdentifier=target, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
                    )
                )
            elif clock.now() > until:
                raise OpsError(f"{target} is still being deleted", remedy=f"ops backup remove {name}, later")
            else:
                clock.sleep(5)
        # Only now: AWS removes no group that an instance is in.
        for group in self._groups(target):
            told(lambda group=group: self._ec2.delete_security_group(GroupId=group))  # type: ignore[misc]
        return changed

    def password(self, name: str, password: str) -> None:
        """Give the restored instance's master a password that nobody else knows. Changes AWS."""
        told(
            lambda: self._rds.modify_db_instance(
                DBInstanceIdentifier=self.restored_id(name), MasterUserPassword=password, ApplyImmediately=True
            )
        )

    def left(self, name: str) -> bool:
        """Whether anything of a restore is there. Read-only."""
        target = self.restored_id(name)
        return self._row(target) is not None or bool(self._groups(target))

    def _row(self, instance: str) -> dict[str, Any] | None:
        rds = self._rds
        try:
            row: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
        except rds.exceptions.DBInstanceNotFoundFault:
            return None
        if TAG_RESTORED not in {tag["Key"] for tag in row.get("TagList", [])}:
            raise OpsError(f"{instance} is there and was not restored by ops", remedy="rename or remove it")
        return row

    def _why(self, instance: str) -> str:
        """What RDS told of the restore that failed."""
        events = told(
            lambda: self._rds.describe_events(SourceIdentifier=instance, SourceType="db-instance", Duration=1440)
        )["Events"]
        said = [row["Message"] for row in events if "fail" in row["Message"].lower()]
        return said[-1] if said else "RDS does not tell why"

    def _closed_group(self, name: str, vpc: str) -> str:
        """A security group without any rule that lets in."""
        target = self.restored_id(name)
        found = self._groups(target)
        if found:
            return found[0]
        labels = {**tags(self._cloud.fleet, self._cloud.stack), TAG_RESTORED: self._ids[name]}
        made = told(
            lambda: self._ec2.create_security_group(
                GroupName=target,
                Description=f"Nobody reaches what is restored of {self._ids[name]}",
                VpcId=vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": _labels(labels)}],
            )
        )
        return str(made["GroupId"])

    def _groups(self, target: str) -> list[str]:
        filters = [{"Name": "group-name", "Values": [target]}, {"Name": "tag-key", "Values": [TAG_RESTORED]}]
        found = told(lambda: self._ec2.describe_security_groups(Filters=filters))
        return [row["GroupId"] for row in found["SecurityGroups"]]

    def _continuous(self, row: Mapping[str, Any]) -> RecoveryPoint:
        window = row["RestoreWindow"]
        return RecoveryPoint(
            id=row["DbiResourceId"],
            kind="continuous",
            at=window["LatestTime"],
            since=window["EarliestTime"],
            region=row["Region"],
            size_bytes=None,
            encrypted=bool(row.get("Encrypted")),
            key=row.get("KmsKeyId", ""),
            expires_at=None,
            status="available" if row["Status"] in ("active", "retained") else row["Status"],
        )

    def _snapshot(self, row: Mapping[str, Any], days: int) -> RecoveryPoint:
        made = row["SnapshotCreateTime"]
        automated = row["SnapshotType"] == "automated"
        return RecoveryPoint(
            id=row["DBSnapshotIdentifier"],
            kind=f"{row['SnapshotType']} snapshot",
            at=made,
            since=made,
            region=row["DBSnapshotArn"].split(":")[3],
            size_bytes=row.get("FullSnapshotSizeInBytes"),
            encrypted=bool(row.get("Encrypted")),
            key=row.get("KmsKeyId", ""),
            expires_at=made + timedelta(days=days) if automated else None,
            status=row["Status"],
        )


def _labels(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]
