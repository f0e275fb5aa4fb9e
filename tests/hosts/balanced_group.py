"""A VPC with a balancer and a group of hosts behind it, made with plain boto3: no Pulumi, no roles."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.names import tags


def make_group(
    cloud: Cloud,
    name: str,
    net: str,
    template: Mapping[str, Any],
    *,
    count: int,
    most: int,
    drain_seconds: int,
    grace_seconds: int,
) -> list[str]:
    """Cluster ``web`` of ``count`` hosts, all it is made of under that name; its subnets, one a zone.

    ``net`` is the first half of its addresses, ``10.64``; ``template`` is what a launch template takes beside image,
    type and profile.
    """
    ec2, groups = cloud.client("ec2"), cloud.client("autoscaling")
    vpc = ec2.create_vpc(CidrBlock=f"{net}.0.0/20")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.{n}.0/24", AvailabilityZone=f"{cloud.region}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("abc", start=1)
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    targets = _balancer(cloud, name, vpc, subnets, drain_seconds)
    _profile(cloud, name)
    images = ec2.describe_images(Owners=["136693071363"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    data = {
        "ImageId": images["Images"][0]["ImageId"],
        "InstanceType": "m6i.large",
        "IamInstanceProfile": {"Name": name},
        **template,
    }
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    groups.create_auto_scaling_group(
        AutoScalingGroupName=name, MinSize=0, MaxSize=0, DesiredCapacity=0, VPCZoneIdentifier=",".join(subnets),
        LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"}, TargetGroupARNs=[targets],
        HealthCheckType="ELB", HealthCheckGracePeriod=grace_seconds,
        Tags=[
            {"Key": key, "Value": value, "PropagateAtLaunch": True}
            for key, value in tags(cloud.fleet, cloud.stack, "web").items()
        ],
    )  # fmt: skip
    groups.put_lifecycle_hook(
        AutoScalingGroupName=name, LifecycleHookName="converged", HeartbeatTimeout=300, DefaultResult="ABANDON",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
    )  # fmt: skip
    groups.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=count, MaxSize=most, DesiredCapacity=count)
    return subnets


def await_serving(hosts: Hosts, count: int, seconds: float) -> None:
    """Wait until cluster ``web`` has as many hosts, and all serve; fails the test when they do not in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        group = hosts.group("web")
        if len(group.hosts) == count and all(host.serving for host in group.hosts):
            return
        time.sleep(0.5)
    raise AssertionError(f"not serving after {seconds} s: {hosts.group('web').hosts}")


def _balancer(cloud: Cloud, name: str, vpc: str, subnets: list[str], drain_seconds: int) -> str:
    """The balancer on port 80; its target group."""
    elb = cloud.client("elbv2")
    targets = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance", HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=3, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    attributes = {
        "deregistration_delay.timeout_seconds": str(drain_seconds),
        "load_balancing.algorithm.type": "least_outstanding_requests",
    }
    elb.modify_target_group_attributes(
        TargetGroupArn=targets, Attributes=[{"Key": key, "Value": value} for key, value in attributes.items()]
    )
    balancer = elb.create_load_balancer(Name=name, Subnets=subnets, Type="application")["LoadBalancers"][0]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets}],
    )  # fmt: skip
    return str(targets)


def _profile(cloud: Cloud, name: str) -> None:
    iam = cloud.client("iam")
    may = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
