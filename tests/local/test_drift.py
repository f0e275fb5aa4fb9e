"""What is changed behind the tool's back is found, all of it and nothing else; `refresh` takes it into the state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from stacks import Stand, run, stand

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
region: eu-west-1
zones: 2
network: {cidr: 10.20.0.0/16, nat: single}
clusters:
  web: {size: {min: 2, max: 4}, schedule: [{cron: "0 8 * * *", min: 3}], uses: [orders, sessions], balancer: {}}
databases:
  orders: {engine: postgres}
  sessions: {engine: dynamodb, key: session_id}
ignore_drift: [{urn: "*::sessions", property: pointInTimeRecovery, why: another team's switch}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("drift"), FLEET) as built:
        run(built.deployment(), "up")
        yield built


def test_an_unchanged_stack_has_none(made: Stand) -> None:
    assert made.deployment().drift().to_json() == {"drift": [], "ignored": []}


def test_a_pointer_that_configure_moved_to_the_fleets_bundle_is_none_and_another_is(
    made: Stand, tmp_path: Path
) -> None:
    bundle, s3 = tmp_path / "bundle.tar.gz", made.cloud.client("s3")
    bundle.write_bytes(b"the bundle of a changed fleet.yaml")
    place = {"Bucket": "shop-dev-ops-123456789012", "Key": "bundles/current.json"}
    before = s3.get_object(**place)["Body"].read()
    found = {}
    tags = urlencode({tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**place)["TagSet"]})
    more = {"ContentType": "application/json", "Tagging": tags}
    for sha256 in (hashlib.sha256(bundle.read_bytes()).hexdigest(), "0" * 64):
        pointer = json.dumps({"key": f"bundles/{sha256}.tar.gz", "sha256": sha256})
        s3.put_object(**place, Body=pointer.encode(), **more)
        found[sha256] = [(_type(item.urn), item.property) for item in made.deployment(bundle).drift().drift]
    s3.put_object(**place, Body=before, **more)
    assert list(found.values()) == [[], [("BucketObjectv2", "etag")]]


def test_fifteen_changes_are_fifteen_drifts_and_a_rule_lets_one_be(made: Stand) -> None:
    _change(made.cloud.client)
    report = made.deployment().drift()
    found = {(_type(item.urn), item.property, item.expected, item.found) for item in report.drift}
    assert found == CHANGED
    assert len(report.drift) == len(CHANGED) == 15
    assert [(item.property, item.why) for item in report.ignored] == [
        ("pointInTimeRecovery.enabled", "another team's switch")
    ]


def test_a_refresh_takes_the_world_into_the_state_and_the_next_up_puts_it_right(made: Stand) -> None:
    run(made.deployment(), "refresh")
    assert made.deployment().drift().drift == []
    changes = made.deployment().preview().changes
    assert (changes["create"], changes["update"]) == (1, 12)
    run(made.deployment(), "up")
    assert made.deployment().preview().changes["update"] == 0


def _type(urn: str) -> str:
    return urn.split("::")[2].rsplit(":", 1)[-1]


CHANGED = {
    ("Group", "maxSize", 4, 9),
    ("Group", "healthCheckGracePeriod", 30, 45),
    ("LoadBalancer", "dropInvalidHeaderFields", True, False),
    ("TargetGroup", "deregistrationDelay", 30, 77),
    ("TargetGroup", "healthCheck.path", "/healthz", "/other"),
    ("Listener", "port", 80, 8080),
    ("Instance", "backupRetentionPeriod", 7, 3),
    ("Table", "deletionProtectionEnabled", False, True),
    ("Key", "enableKeyRotation", True, False),
    ("LogGroup", "retentionInDays", 14, 1),
    ("BucketVersioning", "versioningConfiguration.status", "Enabled", "Suspended"),
    ("Vpc", "enableDnsHostnames", True, False),
    ("Subnet", 'tags."ops:tier"', "public", "mine"),
    ("Plan", "rules[0].lifecycle.deleteAfter", 35, 2),
    ("SecurityGroupIngressRule", "", "exists", "gone"),
}
"""(type, property, expected, found)"""


def _change(client: Callable[[str], Any]) -> None:
    """Behind the tool's back."""
    client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="shop-dev-web", MaxSize=9, HealthCheckGracePeriod=45, DesiredCapacity=3
    )
    elb = client("elbv2")
    balancer = elb.describe_load_balancers(Names=["shop-dev-web"])["LoadBalancers"][0]["LoadBalancerArn"]
    dropped = {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "false"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[dropped])
    targets = elb.describe_target_groups(Names=["shop-dev-web"])["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "77"}
    elb.modify_target_group_attributes(TargetGroupArn=targets, Attributes=[delay])
    elb.modify_target_group(TargetGroupArn=targets, HealthCheckPath="/other")
    listener = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
    elb.modify_listener(ListenerArn=listener, Port=8080)
    client("rds").modify_db_instance(DBInstanceIdentifier="shop-dev-orders", BackupRetentionPeriod=3)
    client("dynamodb").update_table(TableName="shop-dev-sessions", DeletionProtectionEnabled=True)
    client("dynamodb").update_continuous_backups(
        TableName="shop-dev-sessions", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    aliases = client("kms").list_aliases()["Aliases"]
    key = next(item["TargetKeyId"] for item in aliases if item["AliasName"] == "alias/shop-dev-data")
    client("kms").disable_key_rotation(KeyId=key)
    client("logs").put_retention_policy(logGroupName="/ops/shop/dev/flow-log", retentionInDays=1)
    bucket = client("s3").list_buckets()["Buckets"][0]["Name"]
    client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    ec2 = client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:ops:fleet", "Values": ["shop"]}])["Vpcs"][0]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    subnet = ec2.describe_subnets(Filters=[{"Name": "tag:Name", "Values": ["shop-dev-public-a"]}])["Subnets"][0]
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "ops:tier", "Value": "mine"}])
    backup = client("backup")
    plan = backup.list_backup_plans()["BackupPlansList"][0]["BackupPlanId"]
    rule = {"RuleName": "daily", "TargetBackupVaultName": "shop-dev-vault", "Lifecycle": {"DeleteAfterDays": 2}}
    old = backup.get_backup_plan(BackupPlanId=plan)["BackupPlan"]["Rules"][0]
    old.pop("RuleId")
    rules = [{**old, **rule}]
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan={"BackupPlanName": "shop-dev-backup", "Rules": rules})
    rows = ec2.describe_security_group_rules()["SecurityGroupRules"]
    postgres = next(row for row in rows if row.get("FromPort") == 5432 and not row["IsEgress"])
    ec2.revoke_security_group_ingress(
        GroupId=postgres["GroupId"], SecurityGroupRuleIds=[postgres["SecurityGroupRuleId"]]
    )
