"""The throw-away host that asks databases on aws: started, asked, found again, terminated. Nothing of it ran on AWS."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY
from moto import mock_aws

from quartermaster.cli.errors import render
from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.schema import read_text
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks.backups import Backups
from quartermaster.runbooks.runner import Runner, program, user_data
from quartermaster.runbooks.runners import dismiss, runners
from tests.runbooks.stubbed import NOW, Aws, Clock

ORIGINAL = "shop-prod-orders"
LOGIN = Login("10.20.0.9", 5432, "orders", "ops", "never-told")
FLEET = """fleet: shop
region: eu-west-1
stacks: {prod: {target: aws, account: "123456789012", state: s3://x}}
clusters: {edge: {}, web: {uses: [orders]}}
databases: {orders: {engine: postgres}}
"""


@pytest.fixture
def aws() -> Iterator[Aws]:
    with Aws() as made:
        yield made


def runner(aws: Aws, fleet: str = FLEET, clock: Clock | None = None) -> Runner:
    return Runner(aws.cloud, read_text(fleet).fleet, {"orders": ORIGINAL}, lambda _: "sg-closed", clock or Clock())


def looks_for(aws: Aws, states: list[str], *hosts: str) -> None:
    filters = [
        {"Name": "tag:ops:fleet", "Values": ["shop"]},
        {"Name": "tag:ops:stack", "Values": ["prod"]},
        {"Name": "tag:ops:restored-from", "Values": [ORIGINAL]},
        {"Name": "instance-state-name", "Values": states},
    ]
    rows = [{"Instances": [{"InstanceId": host}]} for host in hosts]
    aws.expect("ec2", "describe_instances", {"Filters": filters}, {"Reservations": rows})


def starts(aws: Aws) -> None:
    looks_for(aws, ["pending", "running"])
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": "sg-closed"}]}
    aws.expect("ec2", "authorize_security_group_ingress", {"GroupId": "sg-closed", "IpPermissions": [rule]}, {})
    filters = [
        {"Name": "tag:ops:fleet", "Values": ["shop"]},
        {"Name": "tag:ops:stack", "Values": ["prod"]},
        {"Name": "tag:ops:cluster", "Values": ["web"]},
    ]
    group = {
        "AutoScalingGroupName": "shop-prod-web", "MinSize": 1, "MaxSize": 2, "DesiredCapacity": 1,
        "DefaultCooldown": 300, "AvailabilityZones": ["eu-west-1a"], "HealthCheckType": "ELB", "CreatedTime": NOW,
        "VPCZoneIdentifier": "subnet-a,subnet-b", "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "7"},
    }  # fmt: skip
    aws.expect("autoscaling", "describe_auto_scaling_groups", {"Filters": filters}, {"AutoScalingGroups": [group]})
    versions = [{"LaunchTemplateData": {"SecurityGroupIds": ["sg-web"]}}]
    asked = {"LaunchTemplateId": "lt-1", "Versions": ["7"]}
    aws.expect("ec2", "describe_launch_template_versions", asked, {"LaunchTemplateVersions": versions})
    tags = {"ops:fleet": "shop", "ops:stack": "prod", "ops:restored-from": ORIGINAL, "Name": f"{ORIGINAL}-ask"}
    wanted = {
        "MinCount": 1, "MaxCount": 1, "ClientToken": ANY, "SubnetId": "subnet-a",
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "7"}, "SecurityGroupIds": ["sg-web", "sg-closed"],
        "UserData": user_data("eu-west-1"), "InstanceInitiatedShutdownBehavior": "terminate",
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    }  # fmt: skip
    aws.expect("ec2", "run_instances", wanted, {"Instances": [{"InstanceId": "i-1"}]})


def online(aws: Aws, *states: str) -> None:
    asked = {"Filters": [{"Key": "InstanceIds", "Values": ["i-1"]}]}
    for state in states:
        rows = [{"InstanceId": "i-1", "PingStatus": state}] if state else []
        aws.expect("ssm", "describe_instance_information", asked, {"InstanceInformationList": rows})


def sends(aws: Aws, statement: str = "select 1") -> None:
    asked = {
        "InstanceIds": ["i-1"], "DocumentName": "AWS-RunShellScript", "TimeoutSeconds": 60,
        "Parameters": {
            "commands": [program("eu-west-1", "shop/prod/orders", LOGIN, statement)], "executionTimeout": ["30"]
        },
    }  # fmt: skip
    aws.expect("ssm", "send_command", asked, {"Command": {"CommandId": "c" * 36}})


def answers(aws: Aws, **said: str) -> None:
    asked = {"CommandId": "c" * 36, "InstanceId": "i-1"}
    aws.expect("ssm", "get_command_invocation", asked, said)


def test_a_host_is_started_as_the_clusters_are_and_asked_once_it_is_online(aws: Aws) -> None:
    starts(aws)
    online(aws, "", "ConnectionLost", "Online")
    sends(aws)
    aws.refuse("ssm", "get_command_invocation", "InvocationDoesNotExist")
    answers(aws, Status="InProgress")
    answers(aws, Status="Success", StandardOutputContent="1\n")
    asking = runner(aws)
    assert asking.ask("orders", LOGIN, "select 1", seconds=30) == "1"
    sends(aws, "select 2")
    answers(aws, Status="Success", StandardOutputContent="2\n")
    assert asking.ask("orders", LOGIN, "select 2", seconds=30) == "2"


def test_the_host_of_a_killed_command_is_taken(aws: Aws) -> None:
    looks_for(aws, ["pending", "running"], "i-1")
    online(aws, "Online")
    sends(aws)
    answers(aws, Status="Success", StandardOutputContent="1\n")
    assert runner(aws).ask("orders", LOGIN, "select 1", seconds=30) == "1"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"Status": "Failed", "StandardErrorContent": "ERROR:  no such table"}, "psql to 10.20.0.9 from i-1: ERROR:"),
        ({"Status": "TimedOut", "StatusDetails": "Execution Timed Out"}, "Execution Timed Out"),
        ({"Status": "Success", "StandardOutputContent": "x" * 24_000}, "more than the 24000 characters"),
    ],
)
def test_what_is_no_answer_is_an_error(aws: Aws, said: Mapping[str, str], why: str) -> None:
    looks_for(aws, ["pending", "running"], "i-1")
    online(aws, "Online")
    sends(aws)
    answers(aws, **said)
    with pytest.raises(OpsError, match=why) as caught:
        runner(aws).ask("orders", LOGIN, "select 1", seconds=30)
    assert LOGIN.password not in str(caught.value)


def test_a_host_that_does_not_come_online_is_told_of_in_time(aws: Aws) -> None:
    clock = Clock()
    looks_for(aws, ["pending", "running"], "i-1")
    online(aws, *[""] * 182)
    with pytest.raises(OpsError) as caught:
        runner(aws, clock=clock).ask("orders", LOGIN, "select 1", seconds=30)
    assert render(caught.value) == (
        "error: i-1 is not online in SSM 0:15:00 after it was started\n  remedy: has its subnet a way to SSM and to a "
        "package repository? ops drill recover terminates it\n"
    )
    assert clock.now() - NOW < timedelta(minutes=16)


def test_an_answer_that_does_not_come_is_told_of_in_time(aws: Aws) -> None:
    looks_for(aws, ["pending", "running"], "i-1")
    online(aws, "Online")
    sends(aws)
    for _ in range(76):  # every 2 s for the query's 30 s and for what its way there and back may take
        answers(aws, Status="InProgress")
    with pytest.raises(OpsError) as told:
        runner(aws).ask("orders", LOGIN, "select 1", seconds=30)
    assert render(told.value) == ("error: i-1 did not answer for 10.20.0.9 within 150 s\n  remedy: ops drill recover\n")


def test_a_group_that_may_not_be_opened_is_told_with_the_rights(aws: Aws) -> None:
    looks_for(aws, ["pending", "running"])
    aws.refuse("ec2", "authorize_security_group_ingress", "UnauthorizedOperation")
    with pytest.raises(OpsError) as told:
        runner(aws).ask("orders", LOGIN, "select 1", seconds=30)
    assert render(told.value) == (
        "error: sg-closed lets nobody in: An error occurred (UnauthorizedOperation) when calling the "
        "AuthorizeSecurityGroupIngress operation: UnauthorizedOperation\n  remedy: ops iam policy --for drill\n"
    )


def test_a_cluster_that_is_not_up_starts_nobody_who_could_ask(aws: Aws) -> None:
    looks_for(aws, ["pending", "running"])
    aws.refuse("ec2", "authorize_security_group_ingress", "InvalidPermission.Duplicate")
    tags = {"fleet": "shop", "stack": "prod", "cluster": "web"}
    filters = [{"Name": f"tag:ops:{name}", "Values": [value]} for name, value in tags.items()]
    aws.expect("autoscaling", "describe_auto_scaling_groups", {"Filters": filters}, {"AutoScalingGroups": []})
    with pytest.raises(OpsError) as told:
        runner(aws).ask("orders", LOGIN, "select 1", seconds=30)
    assert render(told.value) == (
        "error: cluster web has no group shop-prod-web with a launch template\n  remedy: ops provision up\n"
    )


def test_without_a_cluster_that_uses_the_database_nothing_is_started(aws: Aws) -> None:
    looks_for(aws, ["pending", "running"])
    aws.refuse("ec2", "authorize_security_group_ingress", "InvalidPermission.Duplicate")
    with pytest.raises(OpsError) as told:
        runner(aws, FLEET.replace("uses: [orders]", "uses: []")).ask("orders", LOGIN, "select 1", seconds=30)
    assert render(told.value) == (
        "error: nobody in the network may ask orders: no cluster uses it\n  remedy: clusters.NAME.uses: [orders]\n"
    )


def test_no_password_and_no_statement_can_be_read_off_the_command() -> None:
    command = program("eu-west-1", "shop/prod/orders", LOGIN, "select 'a' where \"b\" = $$c$$; -- `d`")
    assert "never-told" not in command
    packed = [base64.b64decode(word).decode() for word in command.split() if len(word) > 60]
    assert "never-told" not in "".join(packed)
    assert json.loads(packed[1])["statement"] == "select 'a' where \"b\" = $$c$$; -- `d`"


def test_the_host_ends_itself_before_it_does_anything_else() -> None:
    lines = user_data("eu-west-1").splitlines()
    assert lines[:2] == ["#!/bin/bash", "shutdown -P +360"]
    checked = subprocess.run(["bash", "-n"], input=user_data("eu-west-1"), text=True, check=False)
    assert checked.returncode == 0


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Cloud("shop", "prod", "aws", "eu-west-1", boto3.Session(region_name="eu-west-1"))


def launched(cloud: Cloud, **tags: str) -> str:
    marked = [{"Key": key.replace("_", ":", 1).replace("_", "-"), "Value": value} for key, value in tags.items()]
    ec2: Any = cloud.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    specification = [{"ResourceType": "instance", "Tags": marked}]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=specification)
    return str(made["Instances"][0]["InstanceId"])


def test_hosts_are_terminated_by_their_tags_alone(account: Cloud) -> None:
    ours = {"ops_fleet": "shop", "ops_stack": "prod"}
    asking = launched(account, **ours, ops_restored_from=ORIGINAL)
    others = [
        launched(account, **ours),
        launched(account, **ours, ops_restored_from="shop-prod-other"),
        launched(account, **{**ours, "ops_stack": "dev"}, ops_restored_from=ORIGINAL),
    ]
    assert runners(account, ORIGINAL) == [asking]
    dismiss(account, ORIGINAL, Clock())
    dismiss(account, ORIGINAL, Clock())
    rows = account.client("ec2").describe_instances(InstanceIds=[asking, *others])["Reservations"]
    states = {one["InstanceId"]: one["State"]["Name"] for row in rows for one in row["Instances"]}
    assert states == {asking: "terminated", **dict.fromkeys(others, "running")}


def test_removing_what_was_restored_terminates_who_asked_it_also_when_nothing_else_is_left(account: Cloud) -> None:
    asking = launched(account, ops_fleet="shop", ops_stack="prod", ops_restored_from=ORIGINAL)
    backups = Backups(account, {"orders": ORIGINAL}, Clock())
    assert backups.left("orders")
    assert backups.remove("orders")
    assert not backups.left("orders")
    (row,) = account.client("ec2").describe_instances(InstanceIds=[asking])["Reservations"]
    assert row["Instances"][0]["State"]["Name"] == "terminated"
