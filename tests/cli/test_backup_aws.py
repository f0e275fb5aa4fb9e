"""``ops backup`` on a stack on aws, typed as people do, each call held against botocore's models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli import backup
from quartermaster.cli.main import run
from quartermaster.fleet.errors import OpsError
from quartermaster.runbooks import restoring
from quartermaster.runbooks.vaults import RestoreTest
from tests.runbooks.stubbed import NOW, Aws

FLEET = """fleet: shop
region: eu-west-1
recovery_region: eu-central-1
network: {recovery_cidr: 10.21.0.0/16}
stacks: {prod: {target: aws, account: "123456789012", state: s3://x}}
databases: {orders: {}}
backups: {rules: [{name: daily, keep_days: 35, copy_to: recovery_region}]}
"""
SOURCE = "arn:aws:rds:eu-west-1:123456789012:db:shop-prod-orders"
POINT = "arn:aws:rds:eu-west-1:123456789012:snapshot:awsbackup:job-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with Aws() as made:
        monkeypatch.setattr("quartermaster.fleet.aws.connect", lambda *_: made.cloud)
        yield made


@pytest.fixture
def fleet(tmp_path: Path) -> list[str]:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return ["--fleet", str(tmp_path / "fleet.yaml"), "--json"]


def described(aws: Aws) -> None:
    row = {"DBInstanceIdentifier": "shop-prod-orders", "DBInstanceArn": SOURCE}
    aws.expect("rds", "describe_db_instances", {"DBInstanceIdentifier": "shop-prod-orders"}, {"DBInstances": [row]})


def test_the_list_holds_what_rds_keeps_and_both_vaults(
    aws: Aws, fleet: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"DBInstanceIdentifier": "shop-prod-orders"}
    window = {"EarliestTime": NOW - timedelta(days=7), "LatestTime": NOW}
    kept: dict[str, Any] = {"DbiResourceId": "db-A", "Region": "eu-west-1", "Status": "active", "RestoreWindow": window}
    kept |= {"BackupRetentionPeriod": 7, "Encrypted": True}
    aws.expect("rds", "describe_db_instance_automated_backups", asked, {"DBInstanceAutomatedBackups": [kept]})
    aws.expect("rds", "describe_db_snapshots", asked, {"DBSnapshots": []})
    described(aws)
    for region, vault in (("eu-west-1", "shop-prod-vault"), ("eu-central-1", "shop-prod-recovery-vault")):
        lock = {"Locked": True, "MinRetentionDays": 7}
        aws.expect("backup", "describe_backup_vault", {"BackupVaultName": vault}, lock, region)
        row = {"RecoveryPointArn": POINT, "BackupVaultName": vault, "Status": "COMPLETED", "CreationDate": NOW}
        copied = {"SourceBackupVaultArn": "arn:vault"} if "recovery" in vault else {}
        asked_of = {"BackupVaultName": vault, "ByResourceArn": SOURCE}
        found = {"RecoveryPoints": [{**row, **copied}]}
        aws.expect("backup", "list_recovery_points_by_backup_vault", asked_of, found, region)
    assert run(["backup", "list", "orders", *fleet]) == 0
    points = json.loads(capsys.readouterr().out)["databases"]["orders"]
    assert {(one["kind"], one["region"], one["lock"]) for one in points} == {
        ("continuous", "eu-west-1", ""),
        ("vault", "eu-west-1", "governance, 7 days"),
        ("copy in a vault", "eu-central-1", "governance, 7 days"),
    }


def test_where_no_restore_test_waits_there_is_nothing_to_answer(
    aws: Aws, fleet: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quartermaster.fleet.clock.SystemClock.now", lambda _: NOW)
    described(aws)
    asked = {"ByStatus": "COMPLETED", "ByResourceType": "RDS", "ByCreatedAfter": NOW - timedelta(days=1)}
    aws.expect("backup", "list_restore_jobs", asked, {"RestoreJobs": []})
    assert run(["backup", "answer", *fleet]) == 0
    assert json.loads(capsys.readouterr().out) == {"answered": []}


def test_a_restore_test_that_cannot_be_asked_keeps_no_other_from_its_answer(
    aws: Aws, fleet: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [RestoreTest(f"T{number}", "orders", f"awsbackup-restore-test-{number}") for number in (1, 2)]
    tool: Any = SimpleNamespace(backups=SimpleNamespace(tests=lambda: waiting))

    def answered(_ops: object, _database: str, test: RestoreTest) -> dict[str, Any]:
        if test.job == "T1":
            raise OpsError("nobody in the network may ask orders")
        return {"database": "orders", "sound": True, "run": "backup-2"}

    monkeypatch.setattr(backup, "restorer", lambda _: tool)
    monkeypatch.setattr(restoring, "answer", lambda _tool, test, _asking: test)
    monkeypatch.setattr(backup, "_recorded", answered)
    assert run(["backup", "answer", *fleet]) == 1
    told = capsys.readouterr()
    assert [row["run"] for row in json.loads(told.out)["answered"]] == ["backup-2"]
    assert told.err == "error: nobody in the network may ask orders\n"


def test_the_local_cloud_has_no_restore_tests_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\ndatabases: {orders: {}}\n")
    assert run(["backup", "answer", "--fleet", str(tmp_path / "fleet.yaml")]) == 2
    assert "ops backup verify" in capsys.readouterr().err
