"""What an interrupted creation made is found again by tag or name, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.names import TAG_URN
from quartermaster.infra.half_made import complete
from quartermaster.infra.layout import urn_tag
from quartermaster.infra.lookup import LOOKUPS, find

URN = "urn:pulumi:dev::shop::ops:infra:Network$aws:ec2/vpc:Vpc::vpc"
MARKED = [{"Key": TAG_URN, "Value": urn_tag(URN)}]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        session = boto3.Session("AKIATEST", "test", region_name="eu-west-1")
        yield Cloud("shop", "dev", "local", "eu-west-1", session)


def found(cloud: Cloud, type_: str, **inputs: Any) -> tuple[str, ...]:
    return find(cloud, type_, URN, inputs)


def test_what_has_no_name_is_found_by_its_tag(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    ours = ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": MARKED}])
    assert found(cloud, "aws:ec2/vpc:Vpc") == (ours["Vpc"]["VpcId"],)


def test_what_is_being_deleted_is_not_found(cloud: Cloud) -> None:
    kms = cloud.client("kms")
    key = kms.create_key(Tags=[{"TagKey": TAG_URN, "TagValue": urn_tag(URN)}])["KeyMetadata"]["KeyId"]
    assert found(cloud, "aws:kms/key:Key") == (key,)
    kms.schedule_key_deletion(KeyId=key)
    assert found(cloud, "aws:kms/key:Key") == ()


def test_a_rule_is_found_by_what_it_says(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    pairs = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": group}]}]
    rule = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=pairs)["SecurityGroupRules"][0]
    says = {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 80, "referencedSecurityGroupId": group}
    ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    assert found(cloud, ingress, **says, toPort=80) == (rule["SecurityGroupRuleId"],)
    assert found(cloud, ingress, **says, toPort=81) == ()
    all_out = {"securityGroupId": group, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}
    assert len(found(cloud, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", **all_out)) == 1


def test_a_group_cut_off_loses_the_rule_that_aws_gave_it_and_no_other(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    web = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=web)

    def protocols() -> list[str]:
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
        return sorted(rule["IpProtocol"] for rule in rules["SecurityGroupRules"] if rule["IsEgress"])

    assert protocols() == ["-1", "tcp"]
    complete(cloud, "aws:ec2/vpc:Vpc", group, {})
    assert protocols() == ["-1", "tcp"]
    complete(cloud, "aws:ec2/securityGroup:SecurityGroup", group, {})
    complete(cloud, "aws:ec2/securityGroup:SecurityGroup", group, {})
    assert protocols() == ["tcp"]
    marks = [{"ResourceType": "security-group-rule", "Tags": MARKED}]
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=everything, TagSpecifications=marks)
    complete(cloud, "aws:ec2/securityGroup:SecurityGroup", group, {})
    assert protocols() == ["-1", "tcp"]


def test_a_name_that_is_not_there_is_nothing_and_no_error(cloud: Cloud) -> None:
    named = {"name": "none", "bucket": "none", "identifier": "none"}
    for type_, ask in LOOKUPS.items():
        words = "".join(str(value) for value in ask.arguments.values())
        if all(f"{{{word}}}" in "{name}{bucket}{identifier}{tag}" for word in _words(words)):
            assert found(cloud, type_, **named) == (), type_


def test_a_type_that_nobody_can_look_up_is_no_silent_nothing(cloud: Cloud) -> None:
    with pytest.raises(KeyError):
        found(cloud, "aws:eks/cluster:Cluster")


def _words(text: str) -> list[str]:
    return [part.split("}")[0] for part in text.split("{")[1:] if part[:1] != "'"]
