"""Every rule: red on the one thing that breaks it, green on the default fleet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from broken_fleets import TODAY, Change, added, default_resources, found, gone, the_fleet, with_inputs

from quartermaster.fleet.policies import load_policies
from quartermaster.infra.policy import RULES, check
from quartermaster.infra.resources import UNKNOWN, Resource

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
SSH = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"}
OPEN = {"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}
HTTPS = {"protocol": "HTTPS", "port": 443}


def statement(**fields: Any) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", **fields}]})


def one_bucket_tag() -> Change:
    return with_inputs("dynamodb/Table", tags={"ops:fleet": "shop", "ops:stack": "prod"})


CASES: list[tuple[str, Change]] = [
    ("encryption-at-rest", with_inputs("rds/Instance", storageEncrypted=False)),
    ("encryption-at-rest", with_inputs("Table", serverSideEncryption=None)),
    ("encryption-at-rest", with_inputs("backup/Vault", kmsKeyArn=None)),
    ("encryption-at-rest", gone("BucketServerSideEncryptionConfiguration")),
    ("encrypted-volumes", with_inputs("LaunchTemplate", blockDeviceMappings=[{"ebs": {"volumeSize": 20}}])),
    ("encrypted-volumes", added("aws:ebs/volume:Volume", size=8)),
    ("encrypted-logs", with_inputs("LogGroup", kmsKeyId=None)),
    ("encrypted-logs", with_inputs("Topic", kmsMasterKeyId=None)),
    ("key-rotation", with_inputs("kms/Key", enableKeyRotation=None)),
    ("least-privilege", with_inputs("RolePolicy", policy=statement(Action="*", Resource="*"))),
    ("least-privilege", with_inputs("RolePolicy", policy=statement(Action=["s3:*"], Resource=["arn:x", "*"]))),
    ("no-administrator", with_inputs("RolePolicyAttachment", policyArn="arn:aws:iam::aws:policy/AdministratorAccess")),
    ("no-open-trust", with_inputs("iam/Role", assumeRolePolicy=statement(Principal={"AWS": "*"}, Action="sts:x"))),
    ("no-public-policy", with_inputs("TopicPolicy", policy=statement(Principal="*", Action="sns:Publish"))),
    ("no-public-policy", with_inputs("kms/Key", policy=statement(Principal={"AWS": ["*"]}, Action="kms:*"))),
    ("no-user-keys", added("aws:iam/accessKey:AccessKey", user="ci")),
    ("imdsv2", with_inputs("LaunchTemplate", metadataOptions={"httpTokens": "optional"})),
    ("imdsv2", with_inputs("LaunchTemplate", metadataOptions=None)),
    ("secret-rotation", gone("cloudformation/Stack")),
    ("no-public-database", with_inputs("rds/Instance", publiclyAccessible=True)),
    ("no-open-admin-port", added(INGRESS, **SSH)),
    ("no-open-admin-port", added(INGRESS, **{**SSH, "cidrIpv4": None, "cidrIpv6": "::/0"})),
    ("no-open-admin-port", added(INGRESS, **OPEN)),
    ("no-open-admin-port", with_inputs("SecurityGroup", ingress=[{**SSH, "cidrBlocks": ["0.0.0.0/0"]}])),
    ("no-public-host", with_inputs("LaunchTemplate", networkInterfaces=[{"associatePublicIpAddress": "true"}])),
    ("no-public-host", with_inputs("Subnet", name="private-a", mapPublicIpOnLaunch=True)),
    ("flow-logs", gone("FlowLog")),
    ("flow-logs", with_inputs("FlowLog", trafficType="REJECT")),
    (
        "open-egress",
        added("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", securityGroupId="orders-id", **OPEN),
    ),
    ("single-nat", lambda all_: [one for one in all_ if "natGateway:" not in one.type or one.name == "nat-a"]),
    ("no-public-bucket", with_inputs("BucketPublicAccessBlock", blockPublicPolicy=False)),
    ("no-public-bucket", gone("BucketPublicAccessBlock")),
    ("bucket-versioning", with_inputs("BucketVersioning", versioningConfiguration={"status": "Suspended"})),
    ("bucket-tls", with_inputs("BucketPolicy", policy="{}")),
    ("bucket-tls", gone("BucketPolicy")),
    ("bucket-lifecycle", gone("BucketLifecycleConfiguration")),
    ("point-in-time", with_inputs("rds/Instance", backupRetentionPeriod=0)),
    ("point-in-time", with_inputs("Table", pointInTimeRecovery={"enabled": False})),
    ("database-standby", with_inputs("rds/Instance", multiAz=False)),
    ("database-tls", with_inputs("ParameterGroup", parameters=[{"name": "rds.force_ssl", "value": "0"}])),
    ("database-tls", with_inputs("rds/Instance", parameterGroupName=None)),
    ("deletion-protection", with_inputs("rds/Instance", deletionProtection=False)),
    ("deletion-protection", with_inputs("LoadBalancer", enableDeletionProtection=None)),
    ("deletion-protection", with_inputs("s3/Bucket", forceDestroy=True)),
    ("final-snapshot", with_inputs("rds/Instance", skipFinalSnapshot=True)),
    ("backup-coverage", gone("Selection")),
    ("backup-coverage", one_bucket_tag()),
    ("vault-lock", gone("VaultLockConfiguration")),
    ("region-copies", with_inputs("backup/Plan", rules=[{"ruleName": "daily"}])),
    ("backup-notices", gone("EventRule")),
    ("spread-over-zones", with_inputs("autoscaling/Group", vpcZoneIdentifiers=["a"])),
    ("spread-over-zones", with_inputs("LoadBalancer", subnets=["a", "b"])),
    ("balancer-health", with_inputs("autoscaling/Group", healthCheckType="EC2")),
    ("survives-zone", with_inputs("autoscaling/Group", minSize=1)),
    ("desired-unmanaged", with_inputs("autoscaling/Group", desiredCapacity=4)),
    ("tls-policy", with_inputs("Listener", **HTTPS, sslPolicy="ELBSecurityPolicy-2016-08")),
    ("tls-policy", with_inputs("Listener", **HTTPS)),
    ("drop-invalid-headers", with_inputs("LoadBalancer", dropInvalidHeaderFields=False)),
    ("log-retention", with_inputs("LogGroup", retentionInDays=None)),
    ("alarms-exist", lambda all_: [one for one in all_ if not one.name.startswith("web-") or "Alarm" not in one.type]),
    ("alarms-notify", with_inputs("MetricAlarm", alarmActions=[])),
    ("tags", with_inputs("rds/Instance", tags={"Name": "x", "ops:backup": "shop/prod"})),
]
"""Rule, and what is done to the resources of the default fleet on a protected stack of AWS."""

BY_FLEET: dict[str, tuple[tuple[str, str], ...]] = {
    "objective-in-reach": (("recovery:\n", "recovery:\n  web: {zone: {rto: 10s}}\n"),),
    "plain-listener": (),
}
"""Rule, and the edits that make the default fleet one that asks more than its resources give."""
EXPECTED = {"plain-listener"}
"""What the default fleet breaks on AWS, as it has no name of its own that a certificate could be for."""


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_default_fleet_breaks_no_rule(stack: str) -> None:
    assert {finding.rule for finding in found(stack=stack)} == (EXPECTED if stack == "prod" else set())


@pytest.mark.parametrize(("rule", "change"), CASES, ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)])
def test_a_broken_resource_breaks_its_rule_alone(rule: str, change: Change) -> None:
    findings = [finding for finding in found(change) if finding.rule not in EXPECTED]
    assert {finding.rule for finding in findings} == {rule}
    assert all(finding.reason and finding.remedy for finding in findings)
    assert all("urn:" in finding.resource for finding in findings)
    expected = "advisory" if load_policies()[rule].severity == "advisory" else "mandatory"
    assert {finding.severity for finding in findings} == {expected}


@pytest.mark.parametrize("rule", BY_FLEET)
def test_a_fleet_breaks_its_rule_alone(rule: str) -> None:
    rules = {finding.rule for finding in found(judged_as=the_fleet(*BY_FLEET[rule]))}
    assert rules == {rule, *EXPECTED}


@pytest.mark.parametrize(("hosts", "broken"), [(1, True), (2, True), (3, False), (4, False), (5, False)])
def test_hosts_that_outlive_two_zones_are_counted_as_they_are_spread(hosts: int, broken: bool) -> None:
    """Four in three zones are 2, 1, 1: the two fullest take three, and one is left."""
    judged = the_fleet(("survive: {zones: 1", "survive: {zones: 2"))
    findings = found(with_inputs("autoscaling/Group", minSize=hosts), judged_as=judged)
    told = [one for one in findings if one.rule == "survives-zone"]
    assert bool(told) is broken
    assert all(one.remedy == "clusters.web.size.min: 3 or more" for one in told)


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, _ in CASES} | set(BY_FLEET) | {"tls-listener"} == set(RULES) == set(load_policies())
    assert len(RULES) >= 25


def test_with_a_name_of_its_own_plain_http_is_no_longer_allowed() -> None:
    named = the_fleet(("# dns:", "dns:"))
    rules = {finding.rule: finding.severity for finding in found(judged_as=named)}
    assert rules == {"tls-listener": "mandatory"}
    redirects = with_inputs("Listener", defaultActions=[{"type": "redirect"}])
    assert len(found(redirects, judged_as=named)) == len(found(judged_as=named)) - 1


def test_what_cannot_be_read_yet_is_not_accused() -> None:
    unread = [
        Resource(one.urn, one.type, one.name, {name: _unread(name, value) for name, value in one.inputs.items()})
        for one in default_resources()
    ]
    assert check(unread, the_fleet(), "prod", TODAY) == []


def _unread(name: str, value: Any) -> Any:
    return value if name in ("region", "replicateSourceDb") else UNKNOWN


def test_an_unprotected_stack_may_be_thrown_away() -> None:
    changes = (with_inputs("rds/Instance", deletionProtection=False), with_inputs("s3/Bucket", forceDestroy=True))
    assert found(*changes, stack="dev") == []
    [finding] = found(with_inputs("rds/Instance", multiAz=False), stack="dev")
    assert (finding.rule, finding.severity) == ("database-standby", "advisory")


def test_a_protected_stack_of_the_local_cloud_needs_no_snapshot_that_would_go_with_it() -> None:
    local = the_fleet(("dev: {target: local}", "dev: {target: local, protect: true}"))
    leaves_none = with_inputs("rds/Instance", skipFinalSnapshot=True)
    assert "final-snapshot" not in {finding.rule for finding in found(leaves_none, stack="dev", judged_as=local)}


def test_mandatory_findings_come_first() -> None:
    severities = [finding.severity for finding in found(with_inputs("kms/Key", enableKeyRotation=False))]
    assert severities == sorted(severities, reverse=True)
    assert severities[0] == "mandatory"
