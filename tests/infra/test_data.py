"""What holds data is declared as a careful person would: forced TLS, copies, tags, last snapshots, tests of backups."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from mocked import Declared, declared, facts, resources

from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.backup import failures
from quartermaster.infra.bucket import lifecycle_rules
from quartermaster.infra.layout import layout
from quartermaster.infra.postgres import _RESTART, parameters
from quartermaster.infra.program import declare
from quartermaster.infra.setup.machine import postgres_programs

FLEET = """
fleet: shop
region: eu-west-1
recovery_region: eu-central-1
stacks:
  dev: {target: local}
  prod: {target: aws, account: "123456789012", protect: true, state: s3://shop-state}
network: {cidr: 10.20.0.0/16, recovery_cidr: 10.21.0.0/16}
databases:
  orders: {storage_gib: 200, replicas: 1}
  sessions: {engine: dynamodb}
buckets: {uploads: {}, scratch: {replicate: false}}
recovery:
  orders: {region: {rto: 60m, rpo: 15m}}
  sessions: {region: {rto: 60m, rpo: 15m}}
backups: {rules: [{name: daily, copy_to: recovery_region}]}
"""
INSTANCE, TABLE = "aws:rds/instance:Instance", "aws:dynamodb/table:Table"


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> list[Declared]:
    return of(FLEET, "prod", tmp_path_factory.mktemp("data"))


def of(text: str, stack: str, folder: Path) -> list[Declared]:
    path = folder / "fleet.yaml"
    path.write_text(text)
    return declared(load_fleet(path), stack)


def inputs(found: list[Declared], type_: str) -> list[dict[str, object]]:
    return [dict(one.inputs) for one in found if one.type == type_]


def test_tls_is_forced_whatever_the_fleet_says() -> None:
    said = {item["name"]: item for item in parameters({"work_mem": "65536", "max_connections": "200"})}
    assert said["rds.force_ssl"]["value"] == "1"
    assert said["max_connections"]["apply_method"] == "pending-reboot"
    assert said["work_mem"]["apply_method"] == "immediate"


@pytest.mark.postgres
def test_what_waits_for_a_restart_is_what_postgresql_says() -> None:
    folder = postgres_programs()
    assert folder is not None
    told = subprocess.run([folder / "postgres", "--describe-config"], capture_output=True, text=True, check=True).stdout
    contexts = dict(line.split("\t")[:2] for line in told.splitlines())
    assert {contexts.get(name, "postmaster") for name in _RESTART} == {"postmaster"}


def test_the_stacks_own_databases_are_backed_up_and_no_replica_is(prod: list[Declared]) -> None:
    tagged = [one for one in inputs(prod, INSTANCE) + inputs(prod, TABLE) if "ops:backup" in one["tags"] or {}]  # type: ignore[operator]
    assert {one.get("identifier") or one.get("name") for one in tagged} == {"shop-prod-orders", "shop-prod-sessions"}
    (selection,) = inputs(prod, "aws:backup/selection:Selection")
    (tag,) = selection["selectionTags"]  # type: ignore[misc]
    assert (tag["key"], tag["value"]) == ("ops:backup", "shop/prod")
    assert "resources" not in selection


def test_a_protected_database_leaves_a_snapshot_whose_name_never_comes_again(
    prod: list[Declared], tmp_path: Path
) -> None:
    (primary,) = [one for one in inputs(prod, INSTANCE) if not one.get("replicateSourceDb")]
    assert primary["finalSnapshotIdentifier"] == "shop-prod-orders-last-20261120120000"
    assert primary["skipFinalSnapshot"] is False
    (loose,) = [one for one in inputs(of(FLEET, "dev", tmp_path), INSTANCE) if not one.get("replicateSourceDb")]
    assert loose["skipFinalSnapshot"] is True
    assert "finalSnapshotIdentifier" not in loose


def test_on_the_local_cloud_no_snapshot_is_left(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    fleet = load_fleet(path)
    known = replace(facts(fleet, "prod"), last_snapshots=False)
    found = resources(partial(declare, fleet, layout(fleet, "prod"), known), "shop", "prod")
    assert all(one["skipFinalSnapshot"] for one in inputs(found, INSTANCE))


def test_a_database_has_a_bound_windows_and_logs(prod: list[Declared]) -> None:
    (primary,) = [one for one in inputs(prod, INSTANCE) if not one.get("replicateSourceDb")]
    assert (primary["allocatedStorage"], primary["maxAllocatedStorage"]) == (200, 400)
    assert primary["maintenanceWindow"] == "sun:01:00-sun:05:00"
    assert primary["enabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert primary["autoMinorVersionUpgrade"] is False
    names = {one["name"] for one in inputs(prod, "aws:cloudwatch/logGroup:LogGroup")}
    assert "/aws/rds/instance/shop-prod-orders/postgresql" in names


def test_copies_are_in_the_recovery_region_under_a_key_of_it(prod: list[Declared]) -> None:
    (follower,) = [one for one in inputs(prod, INSTANCE) if str(one.get("replicateSourceDb")).startswith("arn:")]
    assert follower["region"] == "eu-central-1"
    assert follower["kmsKeyId"]
    (table,) = inputs(prod, TABLE)
    assert [replica["regionName"] for replica in table["replicas"]] == ["eu-central-1"]  # type: ignore[attr-defined]
    copied = [one["bucket"] for one in inputs(prod, "aws:s3/bucketReplicationConfig:BucketReplicationConfig")]
    assert len(copied) == 1, "uploads, and not scratch"


def test_without_a_way_out_no_login_is_rotated(prod: list[Declared], tmp_path: Path) -> None:
    stack = "aws:cloudformation/stack:Stack"
    assert len(inputs(prod, stack)) == 1
    assert inputs(of(FLEET.replace("network: {", "network: {nat: none, "), "dev", tmp_path), stack) == []


def test_what_is_restored_to_be_tested_answers_its_own_group_alone_and_reaches_nothing(prod: list[Declared]) -> None:
    chosen = {one["name"]: one for one in inputs(prod, "aws:backup/restoreTestingSelection:RestoreTestingSelection")}
    assert chosen.keys() == {"postgres", "dynamodb"}
    overrides = chosen["postgres"]["restoreMetadataOverrides"]
    assert set(overrides) == {"dbSubnetGroupName", "vpcSecurityGroupIds", "multiAz"}  # type: ignore[call-overload]
    rules = inputs(prod, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    (rule,) = (rule for rule in rules if "restored" in str(rule["securityGroupId"]))
    assert rule["referencedSecurityGroupId"] == rule["securityGroupId"] and "cidrIpv4" not in rule
    ways_out = inputs(prod, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert not [rule for rule in ways_out if "restored" in str(rule["securityGroupId"])]


def test_only_what_failed_is_told() -> None:
    pattern = json.loads(failures("arn:aws:iam::1:role/backup"))
    states = {state for way in pattern["detail"]["$or"] for named in way.values() for state in named}
    assert states == {"ABORTED", "EXPIRED", "FAILED", "PARTIAL"}
    assert pattern["detail"]["iamRoleArn"] == ["arn:aws:iam::1:role/backup"]


def test_nothing_deleted_is_paid_for_for_ever() -> None:
    (old,) = lifecycle_rules(90, 0)
    assert old["noncurrent_version_expiration"] == {"noncurrent_days": 90}
    assert old["abort_incomplete_multipart_upload"] == {"days_after_initiation": 7}
    assert [rule["id"] for rule in lifecycle_rules(90, 60)] == ["old-versions", "cold"]
