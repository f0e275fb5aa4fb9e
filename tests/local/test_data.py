"""Databases, buckets and backups through the real engine: made in two regions, unchanged, and gone from both."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from census import census
from stacks import Stand, run, stand

from quartermaster.infra.facts import gather
from quartermaster.infra.layout import layout
from quartermaster.infra.login import first_password

pytestmark = pytest.mark.engine

THERE = "eu-central-1"
FLEET = """
fleet: shop
timezone: Europe/Dublin
region: eu-west-1
recovery_region: eu-central-1
zones: 2
stacks: {dev: {target: local}}
network: {cidr: 10.20.0.0/16, recovery_cidr: 10.21.0.0/16, nat: single}
databases:
  orders: {engine: postgres, replicas: 1, parameters: {work_mem: "65536", max_connections: "200"}}
  sessions: {engine: dynamodb, key: session_id}
buckets:
  uploads: {cold_after_days: 60}
patching:
  orders: {window: "Sun 01:00-05:00"}
recovery:
  orders: {region: {rto: 60m, rpo: 15m}}
  sessions: {region: {rto: 60m, rpo: 15m}}
backups:
  rules: [{name: daily, keep_days: 35, copy_to: recovery_region}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("data"), FLEET) as built:
        built.before = [census(built.cloud, region) for region in ("", THERE)]  # type: ignore[attr-defined]
        run(built.deployment(), "up")
        yield built


def test_a_second_up_would_change_nothing_and_nothing_drifts(made: Stand) -> None:
    changes = made.deployment().preview().changes
    assert sum(changes[kind] for kind in ("create", "update", "replace", "delete")) == 0
    assert made.deployment().drift().drift == []


def test_the_database_forces_tls_and_has_the_settings_asked_for(made: Stand) -> None:
    rds = made.cloud.client("rds")
    found = rds.describe_db_parameters(DBParameterGroupName="shop-dev-orders-postgres16")["Parameters"]
    said = {row["ParameterName"]: (row["ParameterValue"], row["ApplyMethod"]) for row in found}
    assert said == {
        "rds.force_ssl": ("1", "immediate"),
        "work_mem": ("65536", "immediate"),
        "max_connections": ("200", "pending-reboot"),
    }


def test_the_recovery_region_has_its_copies(made: Stand) -> None:
    (replica,) = made.cloud.client("rds", region=THERE).describe_db_instances()["DBInstances"]
    assert replica["ReadReplicaSourceDBInstanceIdentifier"].endswith(":shop-dev-orders")
    table = made.cloud.client("dynamodb", region=THERE).describe_table(TableName="shop-dev-sessions")["Table"]
    assert f":{THERE}:" in table["TableArn"]
    secret = made.cloud.client("secretsmanager", region=THERE).get_secret_value(SecretId="shop/dev/orders")
    assert json.loads(secret["SecretString"])["username"] == "ops"
    s3 = made.cloud.client("s3")
    (rule,) = s3.get_bucket_replication(Bucket="shop-dev-123456789012-uploads")["ReplicationConfiguration"]["Rules"]
    assert rule["Destination"]["Bucket"] == "arn:aws:s3:::shop-dev-recovery-123456789012-uploads"


def test_no_password_is_anywhere_in_clear(made: Stand) -> None:
    seed = gather(made.fleet, layout(made.fleet, "dev"), made.workspace, made.cloud, None).seed
    client = made.cloud.client("secretsmanager")
    now = json.loads(client.get_secret_value(SecretId="shop/dev/orders")["SecretString"])["password"]
    client.rotate_secret(SecretId="shop/dev/orders")
    later = json.loads(client.get_secret_value(SecretId="shop/dev/orders")["SecretString"])["password"]
    passwords = {first_password(seed, "orders"), now, later}
    assert len(passwords) == 3, "the login is rotated when it is made, and when it is asked for"
    files = [path.read_bytes() for path in made.folder.rglob("*") if path.is_file()]
    assert not [text for text in files for password in passwords if password.encode() in text]


def test_destroy_leaves_both_regions_as_they_were(made: Stand) -> None:
    deployment = made.deployment()
    run(deployment, "destroy")
    assert deployment.result.kept == ()
    assert [census(made.cloud, region) for region in ("", THERE)] == made.before  # type: ignore[attr-defined]
