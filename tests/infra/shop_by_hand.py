"""A shop as somebody built it before there was a fleet.yaml, through boto3."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

__all__ = ["build"]

APP = [{"Key": "app", "Value": "shop"}]


def build(client: Callable[[str], Any]) -> None:
    """A group behind a balancer, a PostgreSQL, a MySQL, two tables, and a balancer with nothing behind it."""
    ec2, elb, rds = client("ec2"), client("elbv2"), client("rds")
    vpc = ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"]
    public, private = _subnets(ec2, vpc, 0), _subnets(ec2, vpc, 10)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for subnet in public:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    balancer = elb.create_load_balancer(Name="old-web-alb", Subnets=public, Scheme="internet-facing")["LoadBalancers"][
        0
    ]["LoadBalancerArn"]
    elb.create_load_balancer(Name="lonely", Subnets=public, Scheme="internet-facing")
    targets = elb.create_target_group(
        Name="old-web-tg", Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="instance", HealthCheckPath="/up"
    )["TargetGroups"][0]["TargetGroupArn"]
    attributes = {
        "deregistration_delay.timeout_seconds": "45",
        "load_balancing.algorithm.type": "least_outstanding_requests",
    }
    pairs = [{"Key": key, "Value": value} for key, value in attributes.items()]
    elb.modify_target_group_attributes(TargetGroupArn=targets, Attributes=pairs)
    forward = [{"Type": "forward", "TargetGroupArn": targets}]
    elb.create_listener(LoadBalancerArn=balancer, Port=8080, Protocol="HTTP", DefaultActions=forward)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName="old-web",
        LaunchTemplateData={
            "InstanceType": "m6i.large",
            "ImageId": image,
            "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 40}}],
        },
    )
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="old-web-asg",
        MinSize=2,
        MaxSize=7,
        DesiredCapacity=2,
        LaunchTemplate={"LaunchTemplateName": "old-web", "Version": "$Latest"},
        VPCZoneIdentifier=",".join(private),
        TargetGroupARNs=[targets],
        Tags=APP,
    )
    rds.create_db_subnet_group(DBSubnetGroupName="old", DBSubnetGroupDescription="old", SubnetIds=private)
    common: dict[str, Any] = {"AllocatedStorage": 100, "MasterUsername": "master", "MasterUserPassword": "secret-99"}
    rds.create_db_instance(
        DBInstanceIdentifier="old-orders", Engine="postgres", EngineVersion="16.3", DBInstanceClass="db.m6i.large",
        MultiAZ=True, StorageEncrypted=True, DBSubnetGroupName="old", **common,
    )  # fmt: skip
    rds.create_db_instance(DBInstanceIdentifier="old-mysql", Engine="mysql", DBInstanceClass="db.m6i.large", **common)
    _table(client, "old-sessions", ["sid"], APP)
    _table(client, "old-events", ["user", "time"], [])


def _subnets(ec2: Any, vpc: str, first: int) -> list[str]:
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.60.{first + place}.0/24", AvailabilityZone=f"eu-west-1{zone}")[
            "Subnet"
        ]["SubnetId"]
        for place, zone in enumerate("ab")
    ]


def _table(client: Callable[[str], Any], name: str, keys: list[str], tags: list[dict[str, str]]) -> None:
    kinds = ["HASH", "RANGE"]
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, kinds, strict=False)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
        Tags=tags,
    )
