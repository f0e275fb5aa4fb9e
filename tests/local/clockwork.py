"""The local cloud's groups on moto in this process, without hosts, on a clock that the test moves."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from quartermaster.infra import local
from quartermaster.infra.local import (
    moto_autoscaling,
    moto_ec2,
    moto_elbv2,
    moto_group_settings,
    moto_groups_api,
    moto_refresh,
    moto_schedule,
    moto_tracking,
)
from quartermaster.infra.local.ledger import Ledger
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World

__all__ = ["Clockwork", "clockwork"]

_START = datetime(2030, 1, 7, 8, tzinfo=UTC)


class Clockwork:
    """A cloud that stands still until it is turned."""

    def __init__(self, folder: Path, account: str) -> None:
        self.seconds = 1000.0
        self.counts: dict[str, int] = {}
        self.busy: dict[str, float] = {}
        """By host, the CPU seconds that it has used."""
        self.world = World(
            instance="0a0b0c", fleet="shop", home=folder, timing=Timing.named("real"),
            ledger=Ledger(folder / "ledger"), with_hosts=False, account=account,
        )  # fmt: skip
        self.world.now = lambda: self.seconds  # type: ignore[method-assign]

    def client(self, service: str) -> Any:
        """A boto3 client of the cloud."""
        return _client(service)

    def turn(self, seconds: float = 1.0, requests: Mapping[str, int] | None = None) -> None:
        """Let so much time pass, second by second; ``requests`` are added to the balancers' counts each second."""
        for _ in range(int(seconds)):
            self.seconds += 1
            for name, count in (requests or {}).items():
                self.counts[name] = self.counts.get(name, 0) + count
            moto_ec2.advance(self.world, set())
            moto_elbv2.advance(self.world)
            moto_schedule.advance(self.world, _START + timedelta(seconds=self.seconds))
            moto_tracking.advance(self.world, self.counts, lambda: dict(self.busy))
            moto_refresh.advance(self.world)
            moto_autoscaling.advance(self.world)

    def group(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
        return found

    def serving(self) -> dict[str, str]:
        """Member in service → the template version it was made from."""
        rows = self.group()["Instances"]
        return {
            row["InstanceId"]: row["LaunchTemplate"]["Version"] for row in rows if row["LifecycleState"] == "InService"
        }


@cache
def _client(service: str) -> Any:
    """Made once: it takes longer than most of the tests."""
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="A", aws_secret_access_key="s")


@contextmanager
def clockwork(folder: Path) -> Iterator[Clockwork]:
    """A cloud with a group ``web`` of three behind a balancer; moto is as it was afterwards."""
    os.environ.setdefault("MOTO_AMIS_PATH", str(Path(local.__file__).with_name("images.json")))
    from moto import mock_aws
    from moto.core import DEFAULT_ACCOUNT_ID

    classes = _patched()
    before = {owner: dict(vars(owner)) for owner in classes}
    made = Clockwork(folder, DEFAULT_ACCOUNT_ID)
    moto_ec2.install(made.world)
    moto_elbv2.install(made.world)
    moto_groups_api.install(made.world)
    moto_group_settings.install()
    moto_refresh.install(made.world)
    moto_schedule.install()
    moto_tracking.install()
    try:
        with mock_aws():
            _group(made)
            yield made
    finally:
        for owner, attributes in before.items():
            for name in vars(owner).keys() - attributes.keys():
                delattr(owner, name)
            for name, value in attributes.items():
                if vars(owner)[name] is not value:
                    setattr(owner, name, value)


def _patched() -> list[type]:
    import moto.autoscaling.models
    import moto.autoscaling.responses
    import moto.ec2.models
    import moto.ec2.models.instances
    import moto.elbv2.models

    modules = (moto.autoscaling.models, moto.autoscaling.responses, moto.ec2.models, moto.ec2.models.instances,
               moto.elbv2.models)  # fmt: skip
    return [
        owner
        for module in modules
        for _, owner in inspect.getmembers(module, inspect.isclass)
        if owner.__module__ == module.__name__
    ]


def _group(cloud: Clockwork) -> None:
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]
        for n, zone in enumerate("abc")
    ]
    ids = [subnet["SubnetId"] for subnet in subnets]
    balancer = elb.create_load_balancer(Name="web", Subnets=ids)["LoadBalancers"][0]
    targets = elb.create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance", HealthCheckPath="/"
    )["TargetGroups"][0]
    elb.modify_target_group_attributes(
        TargetGroupArn=targets["TargetGroupArn"],
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
    )
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets["TargetGroupArn"]}],
    )  # fmt: skip
    data = {"ImageId": "ami-0deb12a4d64000001", "InstanceType": "m6i.large"}
    template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]
    client = cloud.client("autoscaling")
    client.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=3, MaxSize=9,
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        VPCZoneIdentifier=",".join(ids), TargetGroupARNs=[targets["TargetGroupArn"]], HealthCheckType="ELB",
        DefaultInstanceWarmup=60,
    )  # fmt: skip
    ec2.create_launch_template_version(
        LaunchTemplateId=template["LaunchTemplateId"], LaunchTemplateData={**data, "InstanceType": "m7i.large"}
    )
    suffix = balancer["LoadBalancerArn"].split(":loadbalancer/")[-1]
    client.put_scaling_policy(
        AutoScalingGroupName="web", PolicyName="web-requests", PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "TargetValue": 600.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ALBRequestCountPerTarget",
                "ResourceLabel": f"{suffix}/{targets['TargetGroupArn'].split(':')[-1]}",
            },
        },
    )  # fmt: skip
    cloud.turn(30)
    assert len(cloud.serving()) == 3
