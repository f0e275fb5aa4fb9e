"""A small balanced cluster of marker hosts on a local cloud of its own, made with plain boto3: no Pulumi, no roles.

A marker host serves its instance id with nginx and completes its launch hook by itself, as a real one does.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.hosts import Hosts, Requests
from quartermaster.fleet.names import physical, tags
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.infra.local.ledger import Ledger
from quartermaster.runbooks.acts import Hands
from tests.hosts.local_cluster import free_cidr

_USER_DATA = """#!/bin/bash
set -e
. /etc/environment
export AWS_ENDPOINT_URL
exec >/var/log/marker.log 2>&1
python3 - <<'PYTHON'
import json, os, pathlib, subprocess, time, urllib.request
import boto3

def metadata(path):
    ask = urllib.request.Request("http://169.254.169.254/latest/api/token", method="PUT",
                                 headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    token = urllib.request.urlopen(ask, timeout=5).read().decode()
    ask = urllib.request.Request("http://169.254.169.254/latest/" + path, headers={"X-aws-ec2-metadata-token": token})
    return urllib.request.urlopen(ask, timeout=5).read().decode()

me = metadata("meta-data/instance-id")
page = pathlib.Path("/var/www/html")
page.mkdir(parents=True, exist_ok=True)
(page / "healthz").write_text("ok")
(page / "index.html").write_text(me)
subprocess.run(["service", "nginx", "start"], check=True)
group = boto3.client("autoscaling", region_name="REGION", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
group.complete_lifecycle_action(AutoScalingGroupName="GROUP", LifecycleHookName="converged", InstanceId=me,
                                LifecycleActionResult="CONTINUE")
PYTHON
"""


@dataclass(frozen=True)
class DrillCluster:
    """Cluster ``web`` of three hosts, serving."""

    fleet: Fleet
    workspace: Workspace
    cloud: Cloud
    url: str
    """Of the balancer."""

    @property
    def hosts(self) -> Hosts:
        return Hosts(self.cloud)

    @property
    def hands(self) -> Hands:
        return Hands(hosts=self.hosts, faults=self, clock=SystemClock(), counter=self)

    def fail_over(self, instance: str) -> None:
        client.kill_database(self.workspace, instance)

    def fail_zone(self, zone: str) -> None:
        client.fail_zone(self.workspace, zone)

    def heal_zone(self, zone: str) -> None:
        client.heal_zone(self.workspace, zone)

    def kill_host(self, host_id: str) -> None:
        client.kill_host(self.workspace, host_id)

    def read(self, cluster: str) -> Requests:
        return client.requests(self.workspace, physical("drills", "dev", cluster, limit=32))

    def await_serving(self, count: int, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            group = self.hosts.group("web")
            if len(group.hosts) == count and all(host.serving for host in group.hosts):
                return
            time.sleep(0.5)
        raise AssertionError(f"not serving after {seconds} s: {self.hosts.group('web').hosts}")


@contextmanager
def drill_cluster(folder: Path, *, timing: str = "real") -> Iterator[DrillCluster]:
    """The cluster, and nothing of it left afterwards."""
    net = free_cidr().removesuffix(".0.0/16")
    (folder / "fleet.yaml").write_text(
        "fleet: drills\nregion: eu-west-1\n"
        f"network: {{cidr: {net}.0.0/20}}\n"
        "clusters: {web: {size: {min: 3, max: 6}, balancer: {drain_seconds: 5}}}\n"
        "recovery: {web: {zone: {rto: 5m}}}\n",
        encoding="utf-8",
    )
    workspace = Workspace(folder / "fleet.yaml")
    try:
        client.ensure_running(workspace, "drills", timing)
        fleet = load_fleet(folder / "fleet.yaml")
        cloud = connect(fleet, "dev", workspace)
        _build(cloud, net)
        cluster = DrillCluster(fleet, workspace, cloud, _url(workspace))
        cluster.await_serving(3)
        yield cluster
    finally:
        names = [entry.name for entry in Ledger(workspace.folder("local") / "ledger.jsonl").entries()]
        client.down(workspace)
        shown = "".join(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for command in (["ip", "netns", "list"], ["ip", "-o", "link"])
        )
        assert not [name for name in names if name in shown]


def _url(workspace: Workspace) -> str:
    """The balancer's, once the daemon has made it."""
    for _ in range(60):
        for balancer in client.status(workspace)["balancers"]:
            if balancer["name"] == physical("drills", "dev", "web") and balancer["url"]:
                return str(balancer["url"]).rstrip("/") + "/"
        time.sleep(0.5)
    raise AssertionError(f"no balancer: {client.status(workspace)}")


def _build(cloud: Cloud, net: str) -> None:
    ec2, elb, groups, iam = (cloud.client(name) for name in ("ec2", "elbv2", "autoscaling", "iam"))
    name = physical("drills", "dev", "web")
    vpc = ec2.create_vpc(CidrBlock=f"{net}.0.0/20")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("abc", start=1)
    ]
    targets = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance", HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=3, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    elb.modify_target_group_attributes(
        TargetGroupArn=targets,
        Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": "5"},
            {"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"},
        ],
    )
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    balancer = elb.create_load_balancer(Name=name, Subnets=subnets, Type="application")["LoadBalancers"][0]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets}],
    )
    may = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    data = _USER_DATA.replace("REGION", cloud.region).replace("GROUP", name)
    template: dict[str, Any] = {
        "ImageId": _image(ec2),
        "InstanceType": "m6i.large",
        "IamInstanceProfile": {"Name": name},
        "UserData": base64.b64encode(data.encode()).decode(),
    }
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=template)
    groups.create_auto_scaling_group(
        AutoScalingGroupName=name, MinSize=0, MaxSize=0, DesiredCapacity=0, VPCZoneIdentifier=",".join(subnets),
        LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"}, TargetGroupARNs=[targets],
        HealthCheckType="ELB", HealthCheckGracePeriod=30,
        Tags=[
            {"Key": key, "Value": value, "PropagateAtLaunch": True}
            for key, value in tags(cloud.fleet, cloud.stack, "web").items()
        ],
    )  # fmt: skip
    groups.put_lifecycle_hook(
        AutoScalingGroupName=name, LifecycleHookName="converged", HeartbeatTimeout=300, DefaultResult="ABANDON",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
    )  # fmt: skip
    groups.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=3, MaxSize=6, DesiredCapacity=3)


def _image(ec2: Any) -> str:
    images = ec2.describe_images(Owners=["136693071363"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    return str(images["Images"][0]["ImageId"])
