"""Recovery points of databases, and restores of them into isolation, through the AWS API of either target.

A restore makes an instance of its own, named after its source, that a closed security group keeps everybody from;
nothing here writes over a database that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import pairs, physical, tags
from quartermaster.runbooks.recovery_points import Choice, RecoveryPoint, continuous, snapshot
from quartermaster.runbooks.runners import TAG_RESTORED, dismiss, runners
from quartermaster.runbooks.vaults import Order, RestoreTest, Vaults

__all__ = ["Backups", "Restored", "restored_name"]

_REMOVAL = timedelta(minutes=15)
_ORDERED = "ordered"
"""The status of an instance that a job of AWS Backup's is yet to make."""


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

    def __init__(self, cloud: Cloud, ids: Mapping[str, str], clock: Clock, vaults: Vaults | None = None) -> None:
        """``ids``: what RDS calls the fleet's databases, by their names in the fleet. ``vaults``: on aws."""
        self._cloud, self._ids, self._clock, self._vaults = cloud, ids, clock, vaults
        self._rds, self._ec2 = cloud.client("rds"), cloud.client("ec2")

    def points(self, name: str) -> list[RecoveryPoint]:
        """Recovery points of the database, newest first. Read-only."""
        rds, instance = self._rds, self._ids[name]
        rows = told(lambda: rds.describe_db_instance_automated_backups(DBInstanceIdentifier=instance))
        found = [continuous(row) for row in rows["DBInstanceAutomatedBackups"] if row.get("RestoreWindow")]
        pages = told(lambda: list(rds.get_paginator("describe_db_snapshots").paginate(DBInstanceIdentifier=instance)))
        days = next((row["BackupRetentionPeriod"] for row in rows["DBInstanceAutomatedBackups"]), 0)
        found += [snapshot(row, days) for page in pages for row in page["DBSnapshots"]]
        if self._vaults is not None:
            found += self._vaults.points(self._source(name)["DBInstanceArn"])
        return sorted(found, key=lambda point: point.at, reverse=True)

    def instance(self, name: str) -> str:
        """What RDS calls the database."""
        return self._ids[name]

    def storage_bytes(self, name: str) -> int:
        """The storage that the database's server has. Read-only."""
        return int(self._source(name)["AllocatedStorage"]) * 2**30

    def take(self, name: str, called: str) -> str:
        """Order a backup, on aws into the vault, else a snapshot that is called so; by what ``taken`` knows it.

        Done twice with one name it is one. Changes AWS.
        """
        if self._vaults is not None:
            return self._vaults.take(self._source(name)["DBInstanceArn"], called)
        rds = self._rds
        labels = pairs(tags(self._cloud.fleet, self._cloud.stack))
        try:
            rds.create_db_snapshot(DBInstanceIdentifier=self._ids[name], DBSnapshotIdentifier=called, Tags=labels)
        except rds.exceptions.DBSnapshotAlreadyExistsFault:
            pass
        except rds.exceptions.ClientError as exc:
            raise OpsError(f"no snapshot of {name}: {exc}", remedy="ops status: is it available?") from exc
        return called

    def taken(self, name: str, ordered: str) -> RecoveryPoint | None:
        """What was ordered, once it can be restored. Read-only. Raises OpsError when it came to nothing."""
        if self._vaults is not None:
            return self._vaults.taken(ordered)
        found = next((point for point in self.points(name) if point.id == ordered), None)
        if found is None or found.status == "failed":
            what = f"snapshot {ordered} of {name} {'is gone' if found is None else 'failed'}"
            raise OpsError(what, remedy=f"the events of {self._ids[name]} in RDS say why; then ops backup run {name}")
        return found if found.status == "available" else None

    def restored_id(self, name: str) -> str:
        """What the restored instance is called: one at a time."""
        return restored_name(self._cloud.fleet, self._cloud.stack, name)

    def restore(self, name: str, choice: Choice) -> None:
        """Order the restore, into isolation. Raises OpsError where an instance of that name is there. Changes AWS."""
        source, group = self._source(name), self.closed_group(name)
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
            "Tags": pairs({**tags(self._cloud.fleet, self._cloud.stack), TAG_RESTORED: self._ids[name]}),
        }
        target = self.restored_id(name)
        if choice.snapshot.startswith("arn:") and self._vaults is not None:
            subnet_group = source["DBSubnetGroup"]["DBSubnetGroupName"]
            self._vaults.restore(choice.snapshot, target, group=group, subnet_group=subnet_group)
            return
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
            order = self._order(name)
            if order is None or not (order.under_way or order.why):
                return None
            return Restored(self.restored_id(name), _ORDERED if order.under_way else "failed", "", 0, order.why)
        found = _restored(row)
        return replace(found, why=self._why(found.id)) if found.failed else found

    def remove(self, name: str) -> bool:
        """Remove the restored instance, whoever asked it, and their security group, and wait until they are gone;
        whether there was anything. Idempotent. Changes AWS. Raises OpsError when it takes too long."""
        target, until = self.restored_id(name), self._clock.now() + _REMOVAL
        changed = self.left(name)
        self.dismiss(name)
        while (row := self._row(target)) is not None or self._coming(name):
            if row is not None and row["DBInstanceStatus"] != "deleting" and self._deleted(target):
                continue
            if self._clock.now() > until:
                state = row["DBInstanceStatus"] if row else "being restored, which AWS lets nobody stop"
                raise OpsError(f"{target} is still there: {state}", remedy=f"ops backup remove {name}, later")
            self._clock.sleep(5)
        # Only now: AWS removes no group that an instance is in.
        for group in self._groups(target):
            told(lambda group=group: self._ec2.delete_security_group(GroupId=group))  # type: ignore[misc]
        return changed

    def dismiss(self, name: str) -> None:
        """Terminate whoever asks what is restored of it, and wait until they are gone. Idempotent. Changes AWS."""
        dismiss(self._cloud, self._ids[name], self._clock)

    def tests(self) -> list[RestoreTest]:
        """Restores of AWS Backup's restore test that wait for an answer. Read-only."""
        known = {self._source(name)["DBInstanceArn"]: name for name in self._ids}
        return self._vaults.tests(known, self._clock.now()) if self._vaults else []

    def answer(self, test: RestoreTest, wrong: str) -> None:
        """Tell AWS Backup what the checks found: nothing, or what is ``wrong``. Changes AWS."""
        assert self._vaults is not None
        self._vaults.answer(test, wrong)

    def tested(self, test: RestoreTest) -> tuple[Restored, str]:
        """What the test restored, and the security group that it is in. Read-only."""
        row = self._describe(test.instance)
        return _restored(row), row["VpcSecurityGroups"][0]["VpcSecurityGroupId"]

    def password(self, instance: str, password: str) -> None:
        """Give a restored instance's master this password. Changes AWS."""
        told(
            lambda: self._rds.modify_db_instance(
                DBInstanceIdentifier=instance, MasterUserPassword=password, ApplyImmediately=True
            )
        )

    def left(self, name: str) -> bool:
        """Whether anything of a restore is there. Read-only."""
        target = self.restored_id(name)
        return self._row(target) is not None or bool(self._groups(target) or runners(self._cloud, self._ids[name]))

    def _row(self, instance: str) -> dict[str, Any] | None:
        rds = self._rds
        try:
            row: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
        except rds.exceptions.DBInstanceNotFoundFault:
            return None
        # AWS Backup gives what it restores no tags of ours, but puts it into the group that was asked for.
        groups = {group["VpcSecurityGroupId"] for group in row.get("VpcSecurityGroups", [])}
        if TAG_RESTORED not in {tag["Key"] for tag in row.get("TagList", [])} and not groups & {
            *self._groups(instance)
        }:
            raise OpsError(f"{instance} is there and was not restored by ops", remedy="rename or remove it")
        return row

    def _why(self, instance: str) -> str:
        """What RDS told of the restore that failed."""
        events = told(
            lambda: self._rds.describe_events(SourceIdentifier=instance, SourceType="db-instance", Duration=1440)
        )["Events"]
        said = [row["Message"] for row in events if "fail" in row["Message"].lower()]
        return said[-1] if said else "RDS does not tell why"

    def closed_group(self, name: str) -> str:
        """Id of a security group without any rule that lets in, made when it is not there. Changes AWS."""
        target, vpc = self.restored_id(name), self._source(name)["DBSubnetGroup"]["VpcId"]
        found = self._groups(target)
        if found:
            return found[0]
        labels = {**tags(self._cloud.fleet, self._cloud.stack), TAG_RESTORED: self._ids[name]}
        made = told(
            lambda: self._ec2.create_security_group(
                GroupName=target,
                Description=f"Nobody reaches what is restored of {self._ids[name]}",
                VpcId=vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": pairs(labels)}],
            )
        )
        return str(made["GroupId"])

    def _deleted(self, target: str) -> bool:
        """Order its deletion; False where RDS has to finish something first, as its creation."""
        rds = self._rds
        try:
            rds.delete_db_instance(DBInstanceIdentifier=target, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
        except rds.exceptions.InvalidDBInstanceStateFault:
            return False
        except rds.exceptions.ClientError as exc:
            raise OpsError(f"{target} cannot be deleted: {exc}", remedy="your rights, or delete it by hand") from exc
        return True

    def _source(self, name: str) -> dict[str, Any]:
        return self._describe(self._ids[name])

    def _describe(self, instance: str) -> dict[str, Any]:
        found = told(lambda: self._rds.describe_db_instances(DBInstanceIdentifier=instance))["DBInstances"][0]
        return dict(found)

    def _order(self, name: str) -> Order | None:
        return self._vaults.order(self.restored_id(name), self._clock.now()) if self._vaults else None

    def _coming(self, name: str) -> bool:
        order = self._order(name)
        return order is not None and order.under_way

    def _groups(self, target: str) -> list[str]:
        filters = [{"Name": "group-name", "Values": [target]}, {"Name": "tag-key", "Values": [TAG_RESTORED]}]
        found = told(lambda: self._ec2.describe_security_groups(Filters=filters))
        return [row["GroupId"] for row in found["SecurityGroups"]]


def _restored(row: Mapping[str, Any]) -> Restored:
    endpoint = row.get("Endpoint") or {}
    return Restored(
        row["DBInstanceIdentifier"], row["DBInstanceStatus"], endpoint.get("Address", ""), endpoint.get("Port", 0), ""
    )
