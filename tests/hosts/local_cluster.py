"""A small cluster of nginx hosts on a local cloud of its own, by plain boto3."""

from __future__ import annotations

import base64
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.infra.local.network import overlapping, routes

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
_IMAGE = "ami-0deb12a4d64000001"
USER_DATA = """#!/bin/sh
set -e
rm -f /etc/nginx/sites-enabled/default
echo 'server { listen 80; location / { return 200 "'$(uname -n)'"; } }' > /etc/nginx/conf.d/app.conf
update-rc.d nginx enable
service nginx start
token=$(curl -sf -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')
id=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
python3 - "$id" <<'PYTHON'
import boto3, os, sys
client = boto3.client("autoscaling", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"])
client.complete_lifecycle_action(
    AutoScalingGroupName="web", LifecycleHookName="up", InstanceId=sys.argv[1], LifecycleActionResult="CONTINUE"
)
PYTHON
"""


def free_cidr() -> str:
    """A /16 that no route of this machine overlaps."""
    while True:
        cidr = f"10.{random.randint(64, 254)}.0.0/16"
        if overlapping(cidr, routes()) is None:
            return cidr


def wait(condition: Callable[[], Any], seconds: float = 180) -> Any:
    """What the condition returns once it is true; fails the test when it does not become so."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.2)
    return found


@dataclass
class LocalCluster:
    """VPC, balancer, group ``web`` of three hosts with a launch hook."""

    workspace: Workspace
    target_group: str = ""
    subnets: tuple[str, ...] = ()
    _made: dict[str, Any] = field(default_factory=dict)

    def api(self, service: str) -> Any:
        """A client of the service, made once: tests wait by asking, and to make one is most of a question's price."""
        if service not in self._made:
            values = client.environment(self.workspace, "eu-west-1")
            self._made[service] = boto3.client(
                service,
                endpoint_url=values["AWS_ENDPOINT_URL"],
                region_name="eu-west-1",
                aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
            )
        return self._made[service]

    @property
    def group(self) -> Any:
        return self.api("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][
            0
        ]

    @property
    def members(self) -> list[str]:
        return [item["InstanceId"] for item in self.group["Instances"]]

    @property
    def url(self) -> str:
        return str(client.status(self.workspace)["balancers"][0]["url"])

    def lifecycle(self, host: str) -> str:
        return next((i["LifecycleState"] for i in self.group["Instances"] if i["InstanceId"] == host), "")

    def healthy(self) -> set[str]:
        answer = self.api("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        listed = answer["TargetHealthDescriptions"]
        return {item["Target"]["Id"] for item in listed if item["TargetHealth"]["State"] == "healthy"}

    def serves(self, hosts: int = 3) -> bool:
        """Whether the group has as many hosts, each in service and healthy."""
        items = self.group["Instances"]
        ready = {item["InstanceId"] for item in items if item["LifecycleState"] == "InService"}
        return len(items) == hosts and len(ready) == hosts and ready <= self.healthy()

    def run(self, host: str, *words: str) -> subprocess.CompletedProcess[str]:
        return client.execute(self.workspace, host, words)

    def ssh(self, host: str, command: str) -> subprocess.CompletedProcess[str]:
        target = client.ssh_target(self.workspace, host)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5", "LogLevel=ERROR"]
        words = ["ssh", "-i", str(target.key), *(word for option in options for word in ("-o", option))]
        return subprocess.run(
            [*words, f"{target.user}@{target.address}", command], capture_output=True, text=True, check=False
        )


@contextmanager
def local_cluster(folder: Path) -> Iterator[LocalCluster]:
    """The cluster, serving; everything of it is gone afterwards, also when the block fails."""
    workspace = Workspace(folder / "fleet.yaml")
    keys = workspace.folder("local") / "ssh"
    keys.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / "id_ed25519")], check=True)
    client.ensure_running(workspace, "cluster", timing="instant")
    cluster = LocalCluster(workspace)
    try:
        _create(cluster, (keys / "id_ed25519.pub").read_bytes())
        wait(cluster.serves)
        yield cluster
    finally:
        client.down(workspace)


def network(cluster: LocalCluster) -> str:
    """Make the VPC with a subnet a zone; its id."""
    ec2, cidr = cluster.api("ec2"), free_cidr()
    vpc: str = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    blocks = [cidr.replace(".0.0/16", f".{number}.0/24") for number in range(len(ZONES))]
    cluster.subnets = tuple(
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for block, zone in zip(blocks, ZONES, strict=True)
    )
    return vpc


def _create(cluster: LocalCluster, public_key: bytes) -> None:
    vpc = network(cluster)
    ec2, elb, groups = cluster.api("ec2"), cluster.api("elbv2"), cluster.api("autoscaling")
    iam = cluster.api("iam")
    ec2.import_key_pair(KeyName="key", PublicKeyMaterial=public_key)
    iam.create_role(RoleName="host", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="host")
    iam.add_role_to_instance_profile(InstanceProfileName="host", RoleName="host")
    template = {
        "ImageId": _IMAGE,
        "InstanceType": "m6i.large",
        "KeyName": "key",
        "IamInstanceProfile": {"Name": "host"},
        "UserData": base64.b64encode(USER_DATA.encode()).decode(),
    }
    made = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=template)
    checks = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2}
    target = elb.create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=vpc, HealthyThresholdCount=2, UnhealthyThresholdCount=2, **checks
    )["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "4"}
    elb.modify_target_group_attributes(TargetGroupArn=target, Attributes=[delay])
    balancer = elb.create_load_balancer(Name="web", Subnets=list(cluster.subnets))["LoadBalancers"][0]
    action = {"Type": "forward", "TargetGroupArn": target}
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action])
    cluster.target_group = target
    groups.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=0,
        MaxSize=0,
        LaunchTemplate={"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"], "Version": "$Latest"},
        VPCZoneIdentifier=",".join(cluster.subnets),
        TargetGroupARNs=[target],
        HealthCheckType="ELB",
        HealthCheckGracePeriod=5,
    )
    groups.put_lifecycle_hook(
        AutoScalingGroupName="web",
        LifecycleHookName="up",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=60,
        DefaultResult="ABANDON",
    )
    groups.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=2, MaxSize=5, DesiredCapacity=3)
