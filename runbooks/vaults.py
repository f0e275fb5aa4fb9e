"""Recovery points in a stack's AWS Backup vaults, and AWS Backup's jobs: backups, restores, tests of restores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import physical, tags
from quartermaster.runbooks.recovery_points import COPY, RecoveryPoint

__all__ = ["Order", "RestoreTest", "Vaults", "isolated"]

_NAME_LIMIT = 50
_START_MINUTES, _COMPLETE_MINUTES = 60, 480
"""As the plan's rules have them."""
_BACK = timedelta(days=1)
"""As far back as restore jobs are looked for: longer than any takes."""
_UNDER_WAY = ("PENDING", "RUNNING")
_ANSWERED = ("SUCCESSFUL", "FAILED", "TIMED_OUT")
_MESSAGE = 1000
"""Characters of an answer; AWS tells of no limit, and more is read by nobody."""


@dataclass(frozen=True, slots=True)
class Order:
    """A restore job of ours."""

    under_way: bool
    why: str
    """Why it came to nothing; empty while that is not known."""


@dataclass(frozen=True, slots=True)
class RestoreTest:
    """What a test of AWS Backup's restored, and what waits for an answer."""

    job: str
    database: str
    """The fleet's name of what was restored."""
    instance: str
    """RDS's name for the copy."""


class Vaults:
    """The vaults of one stack: one in its region, and where copies are kept one in the recovery region.

    All raise OpsError where AWS refuses.
    """

    def __init__(self, cloud: Cloud, account: str, *, keep_days: int, copies: str = "") -> None:
        """``keep_days``: of what is made on demand; the vault's lock may demand as much. ``copies``: their region."""
        self._cloud, self._keep_days = cloud, keep_days
        self._backup = cloud.client("backup")
        self._vault = physical(cloud.fleet, cloud.stack, "vault", limit=_NAME_LIMIT)
        self._copies = copies
        self._role = f"arn:aws:iam::{account}:role/{physical(cloud.fleet, cloud.stack, 'backup', limit=64)}"
        self._ordered: dict[str, str] = {}
        """Restore jobs of this process, by the instance that they make."""

    def points(self, arn: str) -> list[RecoveryPoint]:
        """Recovery points of the resource in both vaults. Read-only."""
        found = self._points(self._cloud.region, self._vault, arn)
        if self._copies:
            name = physical(self._cloud.fleet, self._cloud.stack, "recovery-vault", limit=_NAME_LIMIT)
            found += self._points(self._copies, name, arn)
        return found

    def take(self, arn: str, token: str) -> str:
        """Start a backup job; its id. Done twice with the same token it is one. Changes AWS."""
        made = told(
            lambda: self._backup.start_backup_job(
                BackupVaultName=self._vault,
                ResourceArn=arn,
                IamRoleArn=self._role,
                IdempotencyToken=token,
                StartWindowMinutes=_START_MINUTES,
                CompleteWindowMinutes=_COMPLETE_MINUTES,
                Lifecycle={"DeleteAfterDays": self._keep_days},
                RecoveryPointTags=dict(tags(self._cloud.fleet, self._cloud.stack)),
            )
        )
        return str(made["BackupJobId"])

    def taken(self, job: str) -> RecoveryPoint | None:
        """What the backup job made; None while it is at work. Read-only. Raises OpsError when it came to nothing."""
        row = told(lambda: self._backup.describe_backup_job(BackupJobId=job))
        if row["State"] == "COMPLETED":
            points = self._points(self._cloud.region, self._vault, row["ResourceArn"])
            return next(point for point in points if point.id == row["RecoveryPointArn"])
        if row["State"] in ("CREATED", "PENDING", "RUNNING"):
            return None
        why = row.get("StatusMessage", "AWS says no reason")
        raise OpsError(f"backup job {job} is {row['State'].lower()}: {why}", remedy="mend that, then run it again")

    def restore(self, point: str, instance: str, *, group: str, subnet_group: str) -> None:
        """Start a restore job that makes ``instance`` where nobody reaches it. Changes AWS."""
        backup = self._backup
        asked = {"BackupVaultName": self._vault, "RecoveryPointArn": point}
        known = told(lambda: backup.get_recovery_point_restore_metadata(**asked))["RestoreMetadata"]
        metadata = isolated(known, instance, group=group, subnet_group=subnet_group)
        # botocore sends a call again when the answer is lost; the token makes it the same call to AWS Backup.
        made = told(
            lambda: backup.start_restore_job(
                RecoveryPointArn=point,
                Metadata=metadata,
                IamRoleArn=self._role,
                IdempotencyToken=str(uuid.uuid4()),
                ResourceType="RDS",
            )
        )
        self._ordered[instance] = made["RestoreJobId"]

    def order(self, instance: str, now: datetime) -> Order | None:
        """The job that makes the instance: this process's, or any that is under way. Read-only.

        A restore job cannot be stopped, and what it makes appears minutes later: who removes waits for it.
        """
        if job := self._ordered.get(instance):
            row = told(lambda: self._backup.describe_restore_job(RestoreJobId=job))
            under_way = row["Status"] in _UNDER_WAY
            ended = row.get("StatusMessage", f"restore job {job} is {row['Status'].lower()}")
            return Order(under_way, "" if under_way or row["Status"] == "COMPLETED" else ended)
        ours = any(
            self._makes(row["RestoreJobId"], instance) for status in _UNDER_WAY for row in self._jobs(status, now)
        )
        return Order(True, "") if ours else None

    def tests(self, databases: Mapping[str, str], now: datetime) -> list[RestoreTest]:
        """Restores of the stack's restore test that wait for an answer. Read-only. ``databases``: ARN → name."""
        # AWS takes letters, digits and underscores in a plan's name, and ends its ARN with an id.
        plan = physical(self._cloud.fleet, self._cloud.stack, "restores", limit=_NAME_LIMIT).replace("-", "_")
        return [
            RestoreTest(
                row["RestoreJobId"],
                databases[row["SourceResourceArn"]],
                row["CreatedResourceArn"].rpartition(":")[2],
            )
            for row in self._jobs("COMPLETED", now)
            if f":restore-testing-plan:{plan}-" in row.get("CreatedBy", {}).get("RestoreTestingPlanArn", "")
            and row.get("SourceResourceArn") in databases
            and row.get("ValidationStatus") not in _ANSWERED
            and not row.get("DeletionStatus")
        ]

    def answer(self, test: RestoreTest, wrong: str) -> None:
        """Tell AWS Backup what the checks found; it removes the copy then. ``wrong`` is empty for sound data.
        Changes AWS."""
        status = "FAILED" if wrong else "SUCCESSFUL"
        message = (wrong or "all checks of ops hold")[:_MESSAGE]
        told(
            lambda: self._backup.put_restore_validation_result(
                RestoreJobId=test.job, ValidationStatus=status, ValidationStatusMessage=message
            )
        )

    def _points(self, region: str, vault: str, arn: str) -> list[RecoveryPoint]:
        backup = self._cloud.client("backup", region=region)
        lock = told(lambda: backup.describe_backup_vault(BackupVaultName=vault))
        pages = backup.get_paginator("list_recovery_points_by_backup_vault")
        found = told(lambda: list(pages.paginate(BackupVaultName=vault, ByResourceArn=arn)))
        return [_point(row, region, _lock(lock)) for page in found for row in page["RecoveryPoints"]]

    def _jobs(self, status: str, now: datetime) -> Iterator[dict[str, Any]]:
        pages = self._backup.get_paginator("list_restore_jobs")
        found = told(lambda: list(pages.paginate(ByStatus=status, ByResourceType="RDS", ByCreatedAfter=now - _BACK)))
        return (row for page in found for row in page["RestoreJobs"])

    def _makes(self, job: str, instance: str) -> bool:
        metadata = told(lambda: self._backup.get_restore_job_metadata(RestoreJobId=job))["Metadata"]
        return {key.lower(): value for key, value in metadata.items()}.get("dbinstanceidentifier") == instance


def isolated(known: Mapping[str, str], instance: str, *, group: str, subnet_group: str) -> dict[str, str]:
    """A recovery point's metadata for a restore under another name, where nobody reaches it. Pure.

    AWS takes keys in any case. Its zone is left out: the restore may be for want of that.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing-inferred-metadata.html
    """
    wanted = {
        "DBInstanceIdentifier": instance,
        "DBSubnetGroupName": subnet_group,
        "VpcSecurityGroupIds": json.dumps([group]),
        "MultiAZ": "false",
        "PubliclyAccessible": "false",
        "DeletionProtection": "false",
        "AutoMinorVersionUpgrade": "false",
    }
    changed = {"availabilityzone", *(key.lower() for key in wanted)}
    return {**{key: value for key, value in known.items() if key.lower() not in changed}, **wanted}


def _lock(vault: Mapping[str, Any]) -> str:
    if not vault.get("Locked"):
        return ""
    # Only a compliance lock has a date from which on nobody lifts it.
    mode = "compliance" if vault.get("LockDate") else "governance"
    return f"{mode}, {vault['MinRetentionDays']} days" if vault.get("MinRetentionDays") else mode


def _point(row: Mapping[str, Any], region: str, lock: str) -> RecoveryPoint:
    return RecoveryPoint(
        id=row["RecoveryPointArn"],
        kind=COPY if row.get("SourceBackupVaultArn") else "vault",
        at=row["CreationDate"],
        since=row["CreationDate"],
        region=region,
        size_bytes=row.get("BackupSizeInBytes"),
        encrypted=bool(row.get("IsEncrypted")),
        key=row.get("EncryptionKeyArn", ""),
        expires_at=row.get("CalculatedLifecycle", {}).get("DeleteAt"),
        status="available" if row["Status"] in ("COMPLETED", "AVAILABLE") else row["Status"].lower(),
        vault=row["BackupVaultName"],
        lock=lock,
    )
