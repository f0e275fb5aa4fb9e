"""Each policy rule, green on a good stack and red on the one thing that breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.infra.policy import RULES, Finding, check
from quartermaster.infra.resources import UNKNOWN, Resource

ARN = "arn:aws:rds:eu-west-1:123456789012:db:shop-prod-orders"
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-prod-sessions"
SUBNETS = ["subnet-1", "subnet-2", "subnet-3"]
FLEET = read_text(
    'fleet: shop\nregion: eu-west-1\nstacks: {prod: {target: aws, account: "123456789012", protect: true}, dev: {}}\n'
).fleet


def policy(actions: Any, resources: Any) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources}]})


GOOD: dict[str, dict[str, Any]] = {
    "aws:kms/key:Key": {"enableKeyRotation": True},
    "aws:rds/instance:Instance": {
        "identifier": "shop-prod-orders",
        "storageEncrypted": True,
        "publiclyAccessible": False,
        "multiAz": True,
        "backupRetentionPeriod": 7,
        "deletionProtection": True,
    },
    "aws:dynamodb/table:Table": {
        "name": "shop-prod-sessions",
        "serverSideEncryption": {"enabled": True},
        "pointInTimeRecovery": {"enabled": True},
        "deletionProtectionEnabled": True,
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {
        "metadataOptions": {"httpTokens": "required"},
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}],
    },
    "aws:ebs/volume:Volume": {"encrypted": True},
    "aws:backup/vault:Vault": {"kmsKeyArn": UNKNOWN, "forceDestroy": False},
    "aws:backup/selection:Selection": {"resources": [ARN, TABLE_ARN]},
    "aws:s3/bucket:Bucket": {"bucket": "shop-prod-ops", "forceDestroy": False},
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
        "bucket": "shop-prod-ops"
    },
    "aws:s3/bucketPolicy:BucketPolicy": {"bucket": UNKNOWN, "policy": '{"Bool": {"aws:SecureTransport": "false"}}'},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
        "bucket": "shop-prod-ops",
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    },
    "aws:iam/rolePolicy:RolePolicy": {"policy": policy(["s3:GetObject"], ["arn:aws:s3:::shop/*"])},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
        "ipProtocol": "tcp",
        "fromPort": 80,
        "toPort": 80,
        "cidrIpv4": "0.0.0.0/0",
    },
    "aws:ec2/securityGroup:SecurityGroup": {},
    "aws:autoscaling/group:Group": {"vpcZoneIdentifiers": SUBNETS},
    "aws:lb/loadBalancer:LoadBalancer": {"subnets": SUBNETS, "enableDeletionProtection": True},
    "aws:lb/listener:Listener": {"protocol": "HTTPS"},
}


def stack_with(changed: dict[str, dict[str, Any]], without: tuple[str, ...] = ()) -> list[Resource]:
    return [
        Resource(f"urn:pulumi:prod::shop::{type_}::it", type_, "it", {**inputs, **changed.get(short, {})})
        for type_, inputs in GOOD.items()
        if (short := type_.rsplit(":", 1)[1]) not in without
    ]


def broken(short: str, fleet: Fleet = FLEET, stack: str = "prod", **inputs: Any) -> list[Finding]:
    return check(stack_with({short: inputs}), fleet, stack)


def test_good_stack_breaks_nothing() -> None:
    assert check(stack_with({}), FLEET, "prod") == []


SSH = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"}


@pytest.mark.parametrize(
    ("rule", "short", "inputs"),
    [
        ("encryption-at-rest", "Instance", {"storageEncrypted": False}),
        ("encryption-at-rest", "Instance", {"storageEncrypted": None}),
        ("encryption-at-rest", "Table", {"serverSideEncryption": None}),
        ("encryption-at-rest", "LaunchTemplate", {"blockDeviceMappings": [{"ebs": {"volumeSize": 20}}]}),
        ("encryption-at-rest", "Volume", {"encrypted": False}),
        ("encryption-at-rest", "Vault", {"kmsKeyArn": None}),
        ("key-rotation", "Key", {"enableKeyRotation": None}),
        ("imdsv2", "LaunchTemplate", {"metadataOptions": {"httpTokens": "optional"}}),
        ("imdsv2", "LaunchTemplate", {"metadataOptions": None}),
        ("no-public-database", "Instance", {"publiclyAccessible": True}),
        ("no-public-bucket", "BucketPublicAccessBlock", {"blockPublicPolicy": False}),
        ("least-privilege", "RolePolicy", {"policy": policy("*", "*")}),
        ("least-privilege", "RolePolicy", {"policy": policy(["s3:*"], ["arn:aws:s3:::x", "*"])}),
        ("least-privilege", "RolePolicyAttachment", {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("no-open-admin-port", "SecurityGroupIngressRule", SSH),
        ("no-open-admin-port", "SecurityGroupIngressRule", {**SSH, "cidrIpv4": None, "cidrIpv6": "::/0"}),
        ("no-open-admin-port", "SecurityGroupIngressRule", {"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}),
        ("no-open-admin-port", "SecurityGroup", {"ingress": [{**SSH, "cidrIpv4": None, "cidrBlocks": ["0.0.0.0/0"]}]}),
        ("database-backup", "Selection", {"resources": [ARN]}),
        ("database-backup", "Instance", {"backupRetentionPeriod": 0}),
        ("database-backup", "Table", {"pointInTimeRecovery": {"enabled": False}}),
        ("spread-over-zones", "Group", {"vpcZoneIdentifiers": SUBNETS[:1]}),
        ("spread-over-zones", "LoadBalancer", {"subnets": SUBNETS[:2]}),
        ("spread-over-zones", "Instance", {"multiAz": False}),
        ("deletion-protection", "Instance", {"deletionProtection": False}),
        ("deletion-protection", "LoadBalancer", {"enableDeletionProtection": None}),
        ("deletion-protection", "Bucket", {"forceDestroy": True}),
        ("tls-only", "BucketPolicy", {"policy": "{}"}),
    ],
)
def test_broken_resource_breaks_its_rule_alone(rule: str, short: str, inputs: dict[str, Any]) -> None:
    [finding] = broken(short, **inputs)
    assert (finding.rule, finding.severity) == (rule, "mandatory")
    assert "::it" in finding.resource
    assert finding.reason
    assert finding.remedy


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ("encryption-at-rest", "BucketServerSideEncryptionConfiguration"),
        ("no-public-bucket", "BucketPublicAccessBlock"),
        ("tls-only", "BucketPolicy"),
    ],
)
def test_missing_companion_breaks_its_rule(rule: str, gone: str) -> None:
    assert [finding.rule for finding in check(stack_with({}, (gone,)), FLEET, "prod")] == [rule]


def test_database_in_no_plan_at_all() -> None:
    rules = [finding.rule for finding in check(stack_with({}, ("Selection",)), FLEET, "prod")]
    assert rules == ["database-backup", "database-backup"]


def test_every_rule_is_shown_red_here() -> None:
    marks = test_broken_resource_breaks_its_rule_alone.pytestmark
    shown = {case[0] for case in marks[0].args[1]}
    assert shown == {name.replace("_", "-") for name in RULES}


def test_plain_listener_is_told_on_aws_only() -> None:
    [finding] = broken("Listener", protocol="HTTP")
    assert (finding.rule, finding.severity) == ("tls-only", "advisory")
    assert broken("Listener", stack="dev", protocol="HTTP") == []
    assert broken("Listener", protocol="HTTP", defaultActions=[{"type": "redirect"}]) == []


def test_unprotected_stack_may_be_thrown_away() -> None:
    assert broken("Instance", stack="dev", deletionProtection=False) == []
    assert [finding.severity for finding in broken("Instance", stack="dev", multiAz=False)] == ["advisory"]


@pytest.mark.parametrize(
    ("short", "inputs"),
    [
        ("Instance", {"storageEncrypted": UNKNOWN, "multiAz": UNKNOWN}),
        ("LaunchTemplate", {"metadataOptions": UNKNOWN}),
        ("RolePolicy", {"policy": UNKNOWN}),
        ("Group", {"vpcZoneIdentifiers": UNKNOWN}),
        ("Group", {"vpcZoneIdentifiers": [UNKNOWN] * 3}),
        ("Selection", {"resources": [UNKNOWN, UNKNOWN]}),
        ("BucketPolicy", {"policy": UNKNOWN}),
    ],
)
def test_what_is_not_known_yet_is_not_accused(short: str, inputs: dict[str, Any]) -> None:
    assert broken(short, **inputs) == []


def test_replica_follows_its_source() -> None:
    replica = {"replicateSourceDb": UNKNOWN, "deletionProtection": True}
    one = Resource("urn:::orders-replica-1", "aws:rds/instance:Instance", "orders-replica-1", replica)
    assert check([*stack_with({}), one], FLEET, "prod") == []


def test_mandatory_findings_come_first() -> None:
    found = check(stack_with({"Listener": {"protocol": "HTTP"}, "Key": {"enableKeyRotation": False}}), FLEET, "prod")
    assert [finding.severity for finding in found] == ["mandatory", "advisory"]
    assert found[0].to_json()["rule"] == "key-rotation"
