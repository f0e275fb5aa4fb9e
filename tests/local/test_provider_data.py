"""The provider's types that hold data, each made, changed, read and deleted on moto itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from quartermaster.infra.local import moto_data
from quartermaster.infra.local.provider.engine import compare
from quartermaster.infra.local.provider.kind import Api, State, is_gone
from quartermaster.infra.local.provider.table import TABLE
from quartermaster.infra.local.provider.values import project

HERE, THERE = "eu-west-1", "eu-central-1"


@pytest.fixture(scope="module", autouse=True)
def _taught() -> None:
    moto_data.install()


@pytest.fixture
def api() -> Iterator[Api]:
    with mock_aws():
        made: dict[tuple[str, str], Any] = {}

        def connect(service: str, region: str) -> Any:
            if (service, region) not in made:
                made[service, region] = boto3.client(
                    service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
                )
            return made[service, region]

        yield Api(connect, HERE, "123456789012")


Lives = Callable[[str, dict[str, Any], dict[str, Any]], str]


@pytest.fixture
def lives(api: Api) -> Lives:
    """Create, read without drift, change, read without drift; the id."""

    def walk(type_: str, given: dict[str, Any], change: dict[str, Any]) -> str:
        kind = TABLE[type_]
        id_ = kind.create(api, given)
        assert drift(kind.read(api, id_, given), given) == {}
        after = {**given, **change}
        assert not any(compare(kind, given, after).values()), "the change replaces"
        kind.update(api, id_, given, after)
        assert drift(kind.read(api, id_, after), after) == {}
        return id_

    return walk


def drift(found: State | None, given: dict[str, Any]) -> dict[str, Any]:
    assert found is not None
    seen = {name: project(value, found[name]) for name, value in given.items() if name in found}
    return {name: value for name, value in seen.items() if value != given[name]}


def end(api: Api, type_: str, id_: str, given: dict[str, Any]) -> None:
    TABLE[type_].delete(api, id_, given)
    assert gone(api, type_, id_, given)


def gone(api: Api, type_: str, id_: str, given: dict[str, Any]) -> bool:
    try:
        return TABLE[type_].read(api, id_, given) is None
    except ClientError as exc:
        return is_gone(exc)


INSTANCE = {
    "identifier": "orders", "engine": "postgres", "engineVersion": "16", "instanceClass": "db.m6i.large",
    "allocatedStorage": 100, "maxAllocatedStorage": 200, "storageType": "gp3", "storageEncrypted": True,
    "username": "ops", "password": "long-enough", "multiAz": True, "publiclyAccessible": False,
    "backupRetentionPeriod": 7, "backupWindow": "21:00-22:00", "maintenanceWindow": "sun:01:00-sun:04:00",
    "enabledCloudwatchLogsExports": ["postgresql", "upgrade"], "performanceInsightsEnabled": True,
    "performanceInsightsRetentionPeriod": 7, "caCertIdentifier": "rds-ca-rsa2048-g1", "copyTagsToSnapshot": True,
    "autoMinorVersionUpgrade": False, "skipFinalSnapshot": True, "tags": {"ops:backup": "shop/dev"},
}  # fmt: skip


def test_a_database_lives_with_all_its_settings(api: Api, lives: Lives) -> None:
    change = {
        "allocatedStorage": 150, "maxAllocatedStorage": 300, "enabledCloudwatchLogsExports": ["postgresql"],
        "maintenanceWindow": "mon:01:00-mon:02:00", "multiAz": False, "deletionProtection": False,
        "performanceInsightsEnabled": False, "tags": {},
    }  # fmt: skip
    id_ = lives("aws:rds/instance:Instance", INSTANCE, change)
    end(api, "aws:rds/instance:Instance", id_, INSTANCE)


def test_a_last_snapshot_stays(api: Api) -> None:
    kind, given = TABLE["aws:rds/instance:Instance"], {**INSTANCE, "skipFinalSnapshot": False}
    id_ = kind.create(api, given)
    with pytest.raises(ValueError, match="finalSnapshotIdentifier"):
        kind.delete(api, id_, given)
    end(api, "aws:rds/instance:Instance", id_, {**given, "finalSnapshotIdentifier": "orders-last-1"})
    (snapshot,) = api.client("rds").describe_db_snapshots(DBSnapshotIdentifier="orders-last-1")["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == "orders"


def test_a_replica_in_another_region_is_its_own(api: Api) -> None:
    kind = TABLE["aws:rds/instance:Instance"]
    kind.create(api, INSTANCE)
    there = Api(api.connect, THERE, api.account)
    given = {
        "identifier": "orders", "instanceClass": "db.m6i.large", "storageEncrypted": True, "kmsKeyId": "k",
        "replicateSourceDb": f"arn:aws:rds:{HERE}:123456789012:db:orders", "skipFinalSnapshot": True,
        "backupRetentionPeriod": 0, "multiAz": False, "tags": {"a": "b"},
    }  # fmt: skip
    id_ = kind.create(there, given)
    assert drift(kind.read(there, id_, given), given) == {}
    assert drift(kind.read(api, id_, INSTANCE), INSTANCE) == {}
    kind.delete(there, id_, given)
    assert drift(kind.read(api, id_, INSTANCE), INSTANCE) == {}


def test_a_database_that_could_not_be_made_is_not_waited_for(api: Api) -> None:
    from moto.rds.models import rds_backends

    rds = api.client("rds")

    def failing(service: str, region: str) -> Any:
        for made in rds_backends["123456789012"][HERE].databases.values():
            made.status = "failed"
        return rds

    with pytest.raises(ValueError, match="orders could not be made here"):
        TABLE["aws:rds/instance:Instance"].create(Api(failing, HERE, api.account), INSTANCE)


def test_a_replica_of_a_login_that_rds_manages_is_refused(api: Api) -> None:
    managed = {"DBInstanceIdentifier": "orders", "Engine": "postgres", "DBInstanceClass": "db.m6i.large"}
    api.client("rds").create_db_instance(**managed, MasterUsername="ops", ManageMasterUserPassword=True)
    given = {"identifier": "copy", "instanceClass": "db.m6i.large", "replicateSourceDb": "orders"}
    with pytest.raises(ValueError, match="ManageMasterUserPassword"):
        TABLE["aws:rds/instance:Instance"].create(api, given)


def test_settings_of_databases_live(api: Api, lives: Lives) -> None:
    one, other = ({"name": name, "value": "1", "applyMethod": "immediate"} for name in ("rds.force_ssl", "work_mem"))
    given = {"name": "orders", "family": "postgres16", "description": "d", "parameters": [one, other], "tags": {}}
    change = {"parameters": [{**one, "value": "0"}], "tags": {"a": "b"}}
    id_ = lives("aws:rds/parameterGroup:ParameterGroup", given, change)
    end(api, "aws:rds/parameterGroup:ParameterGroup", id_, given)


def test_a_table_and_its_replica_hold_the_same(api: Api, lives: Lives) -> None:
    replica = {"regionName": THERE, "kmsKeyArn": f"arn:aws:kms:{THERE}:1:key/1", "pointInTimeRecovery": True,
               "deletionProtectionEnabled": False, "propagateTags": True}  # fmt: skip
    given = {
        "name": "sessions", "hashKey": "id", "attributes": [{"name": "id", "type": "S"}],
        "billingMode": "PAY_PER_REQUEST", "pointInTimeRecovery": {"enabled": True}, "streamEnabled": True,
        "streamViewType": "NEW_AND_OLD_IMAGES", "replicas": [replica], "tags": {"a": "b"},
        "serverSideEncryption": {"enabled": True, "kmsKeyArn": f"arn:aws:kms:{HERE}:1:key/1"},
    }  # fmt: skip
    change = {"replicas": [{**replica, "pointInTimeRecovery": False}], "pointInTimeRecovery": {"enabled": False}}
    id_ = lives("aws:dynamodb/table:Table", given, change)
    api.client("dynamodb").put_item(TableName="sessions", Item={"id": {"S": "x"}})
    there = api.connect("dynamodb", THERE)
    assert there.get_item(TableName="sessions", Key={"id": {"S": "x"}})["Item"] == {"id": {"S": "x"}}
    end(api, "aws:dynamodb/table:Table", id_, given)
    assert there.list_tables()["TableNames"] == []


TABLE_GIVEN = {"name": "sessions", "hashKey": "id", "attributes": [{"name": "id", "type": "S"}],
               "billingMode": "PAY_PER_REQUEST"}  # fmt: skip
STACK_GIVEN = {"name": "restores", "templateBody": json.dumps({"Resources": {"topic": {"Type": "AWS::SNS::Topic"}}})}


@pytest.mark.parametrize(
    ("type_", "service", "call", "given"),
    [
        ("aws:dynamodb/table:Table", "dynamodb", "delete_table", TABLE_GIVEN),
        ("aws:cloudformation/stack:Stack", "cloudformation", "delete_stack", STACK_GIVEN),
    ],
    ids=["a table", "a stack"],
)
def test_what_is_deleted_slowly_is_waited_for_beside_more_than_a_page_of_others(
    type_: str, service: str, call: str, given: dict[str, Any], api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, client = TABLE[type_], api.client(service)
    for n in range(101):
        kind.create(api, {**given, "name": f"other{n:03}"})
    id_ = kind.create(api, given)
    delete, slept = getattr(client, call), []
    monkeypatch.setattr(client, call, lambda **what: slept.append(what))
    monkeypatch.setattr("time.sleep", lambda _: delete(**slept[0]))
    kind.delete(api, id_, given)
    assert gone(api, type_, id_, given)


def test_a_bucket_is_copied_only_with_versions(api: Api, lives: Lives) -> None:
    for name in ("source", "copy"):
        TABLE["aws:s3/bucket:Bucket"].create(api, {"bucket": name})
    rule = {
        "id": "recovery", "status": "Enabled", "priority": 1, "filter": {"prefix": ""},
        "deleteMarkerReplication": {"status": "Enabled"},
        "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
        "destination": {"bucket": "arn:aws:s3:::copy", "encryptionConfiguration": {"replicaKmsKeyId": "k"}},
    }  # fmt: skip
    given = {"bucket": "source", "role": "arn:aws:iam::1:role/r", "rules": [rule]}
    kind = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    with pytest.raises(ValueError, match="versioning must be enabled on bucket source"):
        TABLE[kind].create(api, given)
    for name in ("source", "copy"):
        status = {"versioningConfiguration": {"status": "Enabled"}}
        TABLE["aws:s3/bucketVersioning:BucketVersioning"].create(api, {"bucket": name, **status})
    id_ = lives(kind, {**given, "rules": [{**rule, "status": "Disabled"}]}, {"rules": [rule]})
    s3 = api.client("s3")
    s3.put_object(Bucket="source", Key="a", Body=b"1")
    assert s3.get_object(Bucket="copy", Key="a")["Body"].read() == b"1"
    s3.delete_object(Bucket="source", Key="a")
    assert len(s3.list_object_versions(Bucket="copy")["DeleteMarkers"]) == 1
    end(api, kind, id_, given)


def test_what_becomes_of_objects_lives(api: Api, lives: Lives) -> None:
    TABLE["aws:s3/bucket:Bucket"].create(api, {"bucket": "uploads"})
    old = {
        "id": "old", "status": "Enabled", "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": 9},
        "expiration": {"expiredObjectDeleteMarker": True}, "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    }  # fmt: skip
    cold = {"id": "cold", "status": "Enabled", "filter": {"prefix": ""},
            "transitions": [{"days": 60, "storageClass": "STANDARD_IA"}]}  # fmt: skip
    kind = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    id_ = lives(kind, {"bucket": "uploads", "rules": [old, cold]}, {"rules": [old]})
    end(api, kind, id_, {"bucket": "uploads"})
    owner = {"bucket": "uploads", "rule": {"objectOwnership": "BucketOwnerEnforced"}}
    lives("aws:s3/bucketOwnershipControls:BucketOwnershipControls", owner, {})


def test_restore_tests_live(api: Api, lives: Lives) -> None:
    points = {"algorithm": "RANDOM_WITHIN_WINDOW", "includeVaults": ["*"], "recoveryPointTypes": ["SNAPSHOT"],
              "selectionWindowDays": 30}  # fmt: skip
    plan = {"name": "restores", "recoveryPointSelection": points, "scheduleExpression": "cron(0 9 ? * MON *)",
            "scheduleExpressionTimezone": "Europe/Dublin", "startWindowHours": 8, "tags": {"a": "b"}}  # fmt: skip
    id_ = lives("aws:backup/restoreTestingPlan:RestoreTestingPlan", plan, {"startWindowHours": 4, "tags": {"c": "d"}})
    chosen = {
        "name": "postgres", "restoreTestingPlanName": "restores", "protectedResourceType": "RDS",
        "iamRoleArn": "arn:aws:iam::1:role/r", "validationWindowHours": 1,
        "protectedResourceConditions": {"stringEquals": [{"key": "aws:ResourceTag/ops:backup", "value": "shop/dev"}]},
        "restoreMetadataOverrides": {"dbSubnetGroupName": "data", "vpcSecurityGroupIds": '["sg-1"]'},
    }  # fmt: skip
    selection = lives(
        "aws:backup/restoreTestingSelection:RestoreTestingSelection", chosen, {"validationWindowHours": 2}
    )
    end(api, "aws:backup/restoreTestingSelection:RestoreTestingSelection", selection, chosen)
    end(api, "aws:backup/restoreTestingPlan:RestoreTestingPlan", id_, plan)


def test_a_rule_and_whom_it_tells_live(api: Api, lives: Lives) -> None:
    topic = api.client("sns").create_topic(Name="notices")["TopicArn"]
    rule = {"name": "failures", "eventPattern": json.dumps({"source": ["aws.backup"]}), "description": "d"}
    id_ = lives("aws:cloudwatch/eventRule:EventRule", rule, {"description": "e", "tags": {"a": "b"}})
    target = {"rule": "failures", "targetId": "notices", "arn": topic}
    end(
        api,
        "aws:cloudwatch/eventTarget:EventTarget",
        lives("aws:cloudwatch/eventTarget:EventTarget", target, {}),
        target,
    )
    end(api, "aws:cloudwatch/eventRule:EventRule", id_, rule)


def test_a_secret_has_copies_in_other_regions(api: Api, lives: Lives) -> None:
    copies = [{"region": THERE, "kmsKeyId": "k"}]
    given = {"name": "shop/dev/orders", "recoveryWindowInDays": 0, "replicas": copies, "tags": {"a": "b"}}
    id_ = lives("aws:secretsmanager/secret:Secret", given, {"description": "d"})
    end(api, "aws:secretsmanager/secret:Secret", id_, given)
    assert api.connect("secretsmanager", THERE).list_secrets()["SecretList"] == []
