"""The home of a stack's state: made once, safe, and never in another's place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.errors import InputError, WrongAccount
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.bootstrap import Home, apply, home, plan, secrets_provider

PROD = {"target": "aws", "account": "123456789012"}
WANTED = Home("shop-ops-state-123456789012", "123456789012", "eu-west-1", "shop")


def fleet(**prod: str) -> Fleet:
    return Fleet.model_validate({"fleet": "shop", "region": "eu-west-1", "stacks": {"dev": {}, "prod": PROD | prod}})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Cloud("shop", "prod", "aws", "eu-west-1", boto3.Session(region_name="eu-west-1"))


def test_everything_is_made_once_and_then_nothing(cloud: Cloud) -> None:
    steps = plan(cloud, WANTED)
    assert [step.title.split()[0] for step in steps] == [
        "key",
        "bucket",
        "versions",
        "its",
        "its",
        "its",
        "table",
        "its",
    ]
    assert len(list(apply(cloud, steps))) == 2 * len(steps)
    assert plan(cloud, WANTED) == ()


def test_the_bucket_is_versioned_encrypted_by_the_key_private_and_tls_only(cloud: Cloud) -> None:
    list(apply(cloud, plan(cloud, WANTED)))
    s3, of = cloud.client("s3"), {"Bucket": WANTED.name}
    assert s3.get_bucket_versioning(**of)["Status"] == "Enabled"
    rule = s3.get_bucket_encryption(**of)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == WANTED.key
    assert all(s3.get_public_access_block(**of)["PublicAccessBlockConfiguration"].values())
    statement = json.loads(s3.get_bucket_policy(**of)["Policy"])["Statement"][0]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_key_rotates_and_the_leases_can_be_had_back(cloud: Cloud) -> None:
    list(apply(cloud, plan(cloud, WANTED)))
    kms, dynamodb = cloud.client("kms"), cloud.client("dynamodb")
    assert kms.get_key_rotation_status(KeyId=kms.describe_key(KeyId=WANTED.alias)["KeyMetadata"]["KeyId"])[
        "KeyRotationEnabled"
    ]
    table = dynamodb.describe_table(TableName=WANTED.name)["Table"]
    assert table["DeletionProtectionEnabled"]
    assert table["KeySchema"][0]["AttributeName"] == "scope"


def test_only_what_somebody_undid_is_made_again(cloud: Cloud) -> None:
    list(apply(cloud, plan(cloud, WANTED)))
    cloud.client("s3").put_bucket_versioning(Bucket=WANTED.name, VersioningConfiguration={"Status": "Suspended"})
    cloud.client("s3").delete_public_access_block(Bucket=WANTED.name)
    assert [step.title for step in plan(cloud, WANTED)] == ["versions of its objects", "its public access blocked"]


def test_a_policy_that_is_there_keeps_its_statements(cloud: Cloud) -> None:
    list(apply(cloud, plan(cloud, WANTED)))
    own = {"Sid": "Own", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    cloud.client("s3").put_bucket_policy(Bucket=WANTED.name, Policy=text)
    list(apply(cloud, plan(cloud, WANTED)))
    said = json.loads(cloud.client("s3").get_bucket_policy(Bucket=WANTED.name)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in said] == ["Own", "TlsOnly"]


def test_a_bucket_of_another_region_is_refused(cloud: Cloud) -> None:
    place = {"LocationConstraint": "eu-central-1"}
    cloud.client("s3", region="eu-central-1").create_bucket(Bucket=WANTED.name, CreateBucketConfiguration=place)
    with pytest.raises(InputError, match="is in eu-central-1"):
        plan(cloud, WANTED)


def test_a_table_that_is_something_else_is_refused(cloud: Cloud) -> None:
    cloud.client("dynamodb").create_table(
        TableName=WANTED.name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(InputError, match="is not one of leases"):
        plan(cloud, WANTED)


def test_the_credentials_of_another_account_are_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(WrongAccount, match="belongs to account 999999999999"):
        connect(fleet(account="999999999999"), "prod", Workspace(tmp_path / "fleet.yaml"))


def test_the_name_is_that_of_fleet_yaml_or_carries_the_account() -> None:
    assert home(fleet(), "prod") == WANTED
    assert home(fleet(state="s3://acme-state?awssdk=v2"), "prod").name == "acme-state"
    assert secrets_provider("s3://acme-state?awssdk=v2", "eu-west-1") == "awskms://alias/acme-state?region=eu-west-1"


@pytest.mark.parametrize(
    ("stack", "prod", "problem"), [("dev", {}, "is local"), ("prod", {"state": "https://api.pulumi.com"}, "no bucket")]
)
def test_a_stack_that_keeps_its_state_elsewhere_is_refused(stack: str, prod: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        home(fleet(**prod), stack)
