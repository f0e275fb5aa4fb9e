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
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.names import physical, tags
from quartermaster.fleet.schema import load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.infra.local.ledger import Ledger
from tests.hosts.drilled import Drilled, make_database
from tests.hosts.local_cluster import free_cidr, wait

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


class DrillCluster(Drilled):
    """Cluster ``web``, serving, perhaps with database ``orders``."""

    @property
    def url(self) -> str:
        """Of the balancer."""
        return _url(self.workspace)

    def await_serving(self, count: int, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            group = self.hosts.group("web")
            if len(group.hosts) == count and all(host.serving for host in group.hosts):
                return
            time.sleep(0.5)
        raise AssertionError(f"not serving after {seconds} s: {self.hosts.group('web').hosts}")


@contextmanager
def drill_cluster(
    folder: Path, *, timing: str = "real", hosts: int = 3, database: bool = False
) -> Iterator[DrillCluster]:
    """The cluster, and nothing of it left afterwards."""
    net = free_cidr().removesuffix(".0.0/16")
    balancer = "{check_seconds: 5, unhealthy_after: 2, drain_seconds: 5}"
    uses = "uses: [orders], " if database else ""
    (folder / "fleet.yaml").write_text(
        "fleet: drills\nregion: eu-west-1\n"
        f"network: {{cidr: {net}.0.0/20}}\n"
        f"clusters: {{web: {{{uses}size: {{min: {hosts}, max: {2 * hosts}}}, balancer: {balancer}}}}}\n"
        + ("databases: {orders: {engine: postgres}}\n" if database else "")
        + "recovery: {web: {zone: {rto: 5m}}"
        + (", orders: {zone: {rto: 5m, rpo: 0s}}}\n" if database else "}\n"),
        encoding="utf-8",
    )
    workspace = Workspace(folder / "fleet.yaml")
    try:
        client.ensure_running(workspace, "drills", timing)
        fleet = load_fleet(folder / "fleet.yaml")
        cloud = connect(fleet, "dev", workspace)
        subnets = build(cloud, net, hosts)
        cluster = DrillCluster(fleet, workspace, cloud)
        if database:
            make_database(cloud, subnets)
            wait(lambda: cluster.state.whole)
        cluster.await_serving(hosts)
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


def build(cloud: Cloud, net: str, hosts: int, *, part: str = "web", most: int = 6) -> list[str]:
    """Cluster ``web`` in the cloud's region, its resources named after ``part``; the subnets."""
    ec2, elb, groups, iam = (cloud.client(name) for name in ("ec2", "elbv2", "autoscaling", "iam"))
    name, most = physical("drills", "dev", part), max(most, 2 * hosts)
    vpc = ec2.create_vpc(CidrBlock=f"{net}.0.0/20")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.{n}.0/24", AvailabilityZone=f"{cloud.region}{zone}")["Subnet"][
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
    groups.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=hosts, MaxSize=most, DesiredCapacity=hosts)
    return subnets


def _image(ec2: Any) -> str:
    images = ec2.describe_images(Owners=["136693071363"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    return str(images["Images"][0]["ImageId"])
