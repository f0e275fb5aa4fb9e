"""AWS Backup's part of backups and restores, each call held against botocore's models. Nothing of it ran on AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import ANY

from quartermaster.fleet.errors import OpsError
from quartermaster.runbooks.backups import Backups
from quartermaster.runbooks.recovery_points import COPY, Choice, choose
from quartermaster.runbooks.restoring import take
from quartermaster.runbooks.vaults import Order, RestoreTest, Vaults, isolated
from tests.runbooks.stubbed import NOW, Aws, Clock

SOURCE = "arn:aws:rds:eu-west-1:123456789012:db:shop-prod-orders"
POINT = "arn:aws:rds:eu-west-1:123456789012:snapshot:awsbackup:job-1"
ROLE = "arn:aws:iam::123456789012:role/shop-prod-backup"
TARGET = "shop-prod-drill-orders"
PLAN = "arn:aws:backup:eu-west-1:123456789012:restore-testing-plan:shop_prod_restores-1a2b"
HOUR = timedelta(hours=1)
ROW = {
    "DBInstanceIdentifier": "shop-prod-orders", "DBInstanceArn": SOURCE, "DBInstanceClass": "db.m6i.large",
    "DBSubnetGroup": {"DBSubnetGroupName": "shop-prod-data", "VpcId": "vpc-1"},
    "DBParameterGroups": [{"DBParameterGroupName": "shop-prod-orders"}],
}  # fmt: skip
GROUPS = {"SecurityGroups": [{"GroupId": "sg-closed"}]}


@pytest.fixture
def aws() -> Iterator[Aws]:
    with Aws() as made:
        yield made


def vaults(aws: Aws, copies: str = "") -> Vaults:
    return Vaults(aws.cloud, "123456789012", keep_days=35, copies=copies)


def backups(aws: Aws) -> Backups:
    return Backups(aws.cloud, {"orders": "shop-prod-orders"}, Clock(), vaults(aws))


def lists(aws: Aws, vault: str, lock: dict[str, Any], *rows: dict[str, Any], region: str = "eu-west-1") -> None:
    aws.expect("backup", "describe_backup_vault", {"BackupVaultName": vault}, lock, region)
    asked = {"BackupVaultName": vault, "ByResourceArn": SOURCE}
    aws.expect("backup", "list_recovery_points_by_backup_vault", asked, {"RecoveryPoints": list(rows)}, region)


def row(**more: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": POINT, "BackupVaultName": "shop-prod-vault", "ResourceArn": SOURCE, "Status": "COMPLETED",
        "CreationDate": NOW - HOUR, "BackupSizeInBytes": 5 * 2**30, "IsEncrypted": True, "EncryptionKeyArn": "arn:key",
        "CalculatedLifecycle": {"DeleteAt": NOW + 35 * 24 * HOUR}, **more,
    }  # fmt: skip


def source(aws: Aws) -> None:
    aws.expect("rds", "describe_db_instances", {"DBInstanceIdentifier": "shop-prod-orders"}, {"DBInstances": [ROW]})


def test_points_tell_vault_lock_expiry_and_copies_in_the_other_region(aws: Aws) -> None:
    lists(aws, "shop-prod-vault", {"Locked": True, "MinRetentionDays": 7}, row())
    copied = {"SourceBackupVaultArn": "arn:vault", "BackupVaultName": "shop-prod-recovery-vault"}
    lock = {"Locked": True, "MinRetentionDays": 7, "LockDate": NOW}
    lists(aws, "shop-prod-recovery-vault", lock, row(**copied), row(Status="PARTIAL"), region="eu-central-1")
    here, copy, partial = vaults(aws, "eu-central-1").points(SOURCE)
    assert (here.kind, here.vault, here.lock, here.region) == (
        "vault",
        "shop-prod-vault",
        "governance, 7 days",
        "eu-west-1",
    )
    assert (here.size_bytes, here.encrypted, here.expires_at) == (5 * 2**30, True, NOW + 35 * 24 * HOUR)
    assert (copy.kind, copy.lock, copy.region) == (COPY, "compliance, 7 days", "eu-central-1")
    assert partial.status == "partial"
    assert choose([copy, here, partial]).snapshot == POINT
    assert here.to_json(NOW)["age_seconds"] == 3600.0


def test_a_vault_without_a_lock_says_so(aws: Aws) -> None:
    lists(aws, "shop-prod-vault", {"Locked": False}, row())
    assert vaults(aws).points(SOURCE)[0].lock == ""


def test_a_backup_is_a_job_that_is_followed(aws: Aws) -> None:
    source(aws)
    asked = {
        "BackupVaultName": "shop-prod-vault", "ResourceArn": SOURCE, "IamRoleArn": ROLE, "IdempotencyToken": "by-hand",
        "StartWindowMinutes": 60, "CompleteWindowMinutes": 480, "Lifecycle": {"DeleteAfterDays": 35},
        "RecoveryPointTags": {"ops:fleet": "shop", "ops:stack": "prod"},
    }  # fmt: skip
    aws.expect("backup", "start_backup_job", asked, {"BackupJobId": "J1"})
    for state in ("CREATED", "RUNNING", "COMPLETED"):
        said = {"State": state, "RecoveryPointArn": POINT, "ResourceArn": SOURCE}
        aws.expect("backup", "describe_backup_job", {"BackupJobId": "J1"}, said)
    lists(aws, "shop-prod-vault", {"Locked": False}, row(RecoveryPointArn="arn:another"), row())
    restorer: Any = type("Restorer", (), {"backups": backups(aws)})()
    events = list(take(restorer, "orders", "by-hand", Clock(), poll=15))
    assert [event.kind for event in events] == ["started", "finished", "started", "finished"]
    assert events[1].detail == {"ordered": "J1"}
    assert events[3].detail["id"] == POINT


@pytest.mark.parametrize("state", ["ABORTED", "FAILED", "EXPIRED", "PARTIAL", "ABORTING"])
def test_a_backup_that_came_to_nothing_says_why(aws: Aws, state: str) -> None:
    said = {"State": state, "StatusMessage": "Access denied to the key"}
    aws.expect("backup", "describe_backup_job", {"BackupJobId": "J1"}, said)
    with pytest.raises(OpsError, match=f"backup job J1 is {state.lower()}: Access denied to the key") as told:
        vaults(aws).taken("J1")
    assert told.value.remedy == "mend that, then run it again"


def test_a_restore_goes_into_isolation_whatever_the_recovery_point_says(aws: Aws) -> None:
    source(aws)
    source(aws)
    filters = [{"Name": "group-name", "Values": [TARGET]}, {"Name": "tag-key", "Values": ["ops:restored-from"]}]
    aws.expect("ec2", "describe_security_groups", {"Filters": filters}, GROUPS)
    known = {
        "dbInstanceIdentifier": "shop-prod-orders", "VpcSecurityGroupIds": '["sg-live"]', "PubliclyAccessible": "true",
        "DeletionProtection": "true", "MultiAZ": "true", "AvailabilityZone": "eu-west-1a", "StorageType": "gp3",
    }  # fmt: skip
    asked = {"BackupVaultName": "shop-prod-vault", "RecoveryPointArn": POINT}
    aws.expect("backup", "get_recovery_point_restore_metadata", asked, {"RestoreMetadata": known})
    wanted = {
        "StorageType": "gp3", "DBInstanceIdentifier": TARGET, "DBSubnetGroupName": "shop-prod-data",
        "VpcSecurityGroupIds": '["sg-closed"]', "MultiAZ": "false", "PubliclyAccessible": "false",
        "DeletionProtection": "false", "AutoMinorVersionUpgrade": "false",
    }  # fmt: skip
    order = {
        "RecoveryPointArn": POINT, "Metadata": wanted, "IamRoleArn": ROLE, "IdempotencyToken": ANY,
        "ResourceType": "RDS",
    }  # fmt: skip
    aws.expect("backup", "start_restore_job", order, {"RestoreJobId": "R1"})
    backups(aws).restore("orders", Choice(POINT, None, NOW, "the newest"))


def test_no_key_of_the_original_survives_in_another_case() -> None:
    found = isolated({"publiclyaccessible": "true", "multiaz": "true"}, "x", group="sg-1", subnet_group="g")
    assert {key.lower() for key in found} == {key.lower() for key in isolated({}, "x", group="sg-1", subnet_group="g")}
    assert json.loads(found["VpcSecurityGroupIds"]) == ["sg-1"]


def ordered(aws: Aws) -> Vaults:
    made = vaults(aws)
    asked = {"BackupVaultName": "shop-prod-vault", "RecoveryPointArn": POINT}
    aws.expect("backup", "get_recovery_point_restore_metadata", asked, {"RestoreMetadata": {}})
    order = {
        "RecoveryPointArn": POINT, "Metadata": ANY, "IamRoleArn": ROLE, "IdempotencyToken": ANY, "ResourceType": "RDS",
    }  # fmt: skip
    aws.expect("backup", "start_restore_job", order, {"RestoreJobId": "R1"})
    made.restore(POINT, TARGET, group="sg-1", subnet_group="g")
    return made


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"Status": "PENDING"}, Order(True, "")),
        ({"Status": "FAILED", "StatusMessage": "no such key"}, Order(False, "no such key")),
        ({"Status": "ABORTED"}, Order(False, "restore job R1 is aborted")),
        ({"Status": "COMPLETED"}, Order(False, "")),
    ],
)
def test_what_became_of_a_restore_that_we_ordered(aws: Aws, said: dict[str, str], found: Order) -> None:
    made = ordered(aws)
    aws.expect("backup", "describe_restore_job", {"RestoreJobId": "R1"}, said)
    assert made.order(TARGET, NOW) == found


def jobs(aws: Aws, status: str, *rows: dict[str, Any]) -> None:
    asked = {"ByStatus": status, "ByResourceType": "RDS", "ByCreatedAfter": NOW - 24 * HOUR}
    aws.expect("backup", "list_restore_jobs", asked, {"RestoreJobs": list(rows)})


@pytest.mark.parametrize(("made", "found"), [(TARGET, Order(True, "")), ("another", None)])
def test_a_restore_that_a_killed_command_ordered_is_found_by_what_it_makes(
    aws: Aws, made: str, found: Order | None
) -> None:
    jobs(aws, "PENDING")
    jobs(aws, "RUNNING", {"RestoreJobId": "R7"})
    aws.expect(
        "backup", "get_restore_job_metadata", {"RestoreJobId": "R7"}, {"Metadata": {"dbInstanceIdentifier": made}}
    )
    assert vaults(aws).order(TARGET, NOW) == found


def of_the_plan(**more: Any) -> dict[str, Any]:
    return {
        "RestoreJobId": "T1", "SourceResourceArn": SOURCE, "RecoveryPointCreationDate": NOW - HOUR,
        "CreatedResourceArn": "arn:aws:rds:eu-west-1:123456789012:db:awsbackup-restore-test-1",
        "CreatedBy": {"RestoreTestingPlanArn": PLAN}, **more,
    }  # fmt: skip


def test_restore_tests_of_this_stack_that_wait_are_found(aws: Aws) -> None:
    others = [
        of_the_plan(ValidationStatus="SUCCESSFUL"), of_the_plan(ValidationStatus="TIMED_OUT"),
        of_the_plan(DeletionStatus="DELETING"),
        of_the_plan(SourceResourceArn="arn:another"), {**of_the_plan(), "CreatedBy": {}},
        of_the_plan(CreatedBy={"RestoreTestingPlanArn": PLAN.replace("prod", "dev")}),
    ]  # fmt: skip
    jobs(aws, "COMPLETED", *others, of_the_plan(ValidationStatus="VALIDATING"))
    (found,) = vaults(aws).tests({SOURCE: "orders"}, NOW)
    assert found == RestoreTest("T1", "orders", "awsbackup-restore-test-1")


@pytest.mark.parametrize(("wrong", "status"), [("", "SUCCESSFUL"), ("rows: empty or missing: orders", "FAILED")])
def test_a_restore_test_is_answered(aws: Aws, wrong: str, status: str) -> None:
    message = wrong or "all checks of ops hold"
    asked = {"RestoreJobId": "T1", "ValidationStatus": status, "ValidationStatusMessage": message}
    aws.expect("backup", "put_restore_validation_result", asked, {})
    vaults(aws).answer(RestoreTest("T1", "orders", "awsbackup-restore-test-1"), wrong)


def test_what_aws_refuses_is_told(aws: Aws) -> None:
    aws.refuse("backup", "describe_backup_vault", "AccessDeniedException")
    with pytest.raises(OpsError, match="AccessDeniedException"):
        vaults(aws).points(SOURCE)
