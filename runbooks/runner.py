"""Asks databases on aws from inside their network: from a throw-away host, over SSM, without an open port.

The host is started from the launch template of a cluster that uses the database, so that it may and reaches what that
one's hosts do. It reads the login from the database's secret itself: no password goes through SSM. It powers itself off
after some hours whatever becomes of us, which terminates it.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import pairs, physical, tag_filters, tags
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks.runners import TAG_RESTORED, runners

__all__ = ["Runner", "program", "user_data"]

_HOURS = 6
"""Longer than restoring, checking and removing may take."""
_ONLINE = timedelta(minutes=15)
"""Until a host that has just been started answers SSM: boot, packages, agent."""
_DELIVERY_SECONDS = 60
_POLL_SECONDS = 2.0
_OUTPUT = 24_000
"""Characters that GetCommandInvocation gives back of what a command said:
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html"""
_UNDER_WAY = ("Pending", "InProgress", "Delayed")

_PROGRAM = """import json, os, subprocess, sys
import boto3

asked = json.loads(sys.argv[1])
client = boto3.client("secretsmanager", region_name=asked["region"], endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
login = json.loads(client.get_secret_value(SecretId=asked["secret"])["SecretString"])
done = subprocess.run(
    ["psql", asked["where"], "-XAtqv", "ON_ERROR_STOP=1"], input=asked["statement"], text=True, capture_output=True,
    env={**os.environ, "PGPASSWORD": login["password"], "PGOPTIONS": "-c client_min_messages=error"},
)
sys.stdout.write(done.stdout)
sys.stderr.write(done.stderr)
sys.exit(done.returncode)
"""


def program(region: str, secret: str, to: Login, statement: str) -> str:
    """The shell command by which a host asks the database; the password it reads from the secret. Pure."""
    asked = json.dumps({"region": region, "secret": secret, "where": to.where(), "statement": statement})
    return f'python3 -c "$(echo {_packed(_PROGRAM)} | base64 -d)" "$(echo {_packed(asked)} | base64 -d)"'


def user_data(region: str) -> str:
    """What the host does at boot: an end for itself first, then psql, and last the agent that takes commands. Pure."""
    agent = f"https://s3.{region}.amazonaws.com/amazon-ssm-{region}/latest/debian_$(dpkg --print-architecture)"
    return f"""#!/bin/bash
shutdown -P +{_HOURS * 60}
export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3; do
  apt-get update -q && apt-get install -q -y --no-install-recommends postgresql-client python3-boto3 curl && break
  sleep 5
done
command -v amazon-ssm-agent >/dev/null || {{
  curl -fsS --retry 5 -o /tmp/agent.deb {agent}/amazon-ssm-agent.deb && dpkg -i /tmp/agent.deb
}}
systemctl enable --now amazon-ssm-agent
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and as what the cluster's hosts start."""

    template: Mapping[str, str]
    subnet: str
    groups: tuple[str, ...]


class Runner:
    """Asks the databases of one stack, each from a host of its own that is started at the first question."""

    def __init__(
        self, cloud: Cloud, fleet: Fleet, ids: Mapping[str, str], group: Callable[[str], str], clock: Clock
    ) -> None:
        """``ids``: what RDS calls the databases. ``group``: the security group of what is restored of one; its host
        joins it, and its members may ask one another."""
        self._cloud, self._fleet, self._ids, self._group, self._clock = cloud, fleet, ids, group, clock
        self._ec2, self._ssm = cloud.client("ec2"), cloud.client("ssm")
        self._online: dict[str, str] = {}

    def ask(self, name: str, to: Login, statement: str, *, seconds: float) -> str:
        """What the database answers, a row a line, columns parted by ``|``. Raises OpsError. Changes AWS: starts the
        host when there is none."""
        host = self._online.get(name) or self._start(name, to.port)
        secret = f"{self._cloud.fleet}/{self._cloud.stack}/{name}"
        command = program(self._cloud.region, secret, to, statement)
        sent = told(
            lambda: self._ssm.send_command(
                InstanceIds=[host],
                DocumentName="AWS-RunShellScript",
                TimeoutSeconds=_DELIVERY_SECONDS,
                Parameters={"commands": [command], "executionTimeout": [str(int(seconds))]},
            )
        )["Command"]["CommandId"]
        return self._answer(sent, host, until=seconds + 2 * _DELIVERY_SECONDS, asked=to.host)

    def _answer(self, command: str, host: str, *, until: float, asked: str) -> str:
        over = self._clock.now() + timedelta(seconds=until)
        ssm = self._ssm
        while True:
            self._clock.sleep(_POLL_SECONDS)
            try:
                row = told(lambda: ssm.get_command_invocation(CommandId=command, InstanceId=host))
            except OpsError as exc:
                # It is there a moment after the command is.
                if not isinstance(exc.__cause__, ssm.exceptions.InvocationDoesNotExist):
                    raise
                row = {"Status": "Pending"}
            if row["Status"] not in _UNDER_WAY:
                break
            if self._clock.now() > over:
                raise OpsError(f"{host} did not answer for {asked} within {until:.0f} s", remedy="ops drill recover")
        if row["Status"] != "Success":
            why = row.get("StandardErrorContent", "").strip() or row.get("StatusDetails", row["Status"])
            raise OpsError(f"psql to {asked} from {host}: {why}")
        said = str(row.get("StandardOutputContent", ""))
        if len(said) >= _OUTPUT:
            raise OpsError(f"{asked} answers more than the {_OUTPUT} characters that SSM brings back")
        return said.strip()

    def _start(self, name: str, port: int) -> str:
        """The host of that database, online. One that an earlier command left is taken."""
        original, group = self._ids[name], self._group(name)
        found = runners(self._cloud, original, ("pending", "running"))
        if not found:
            self._admit(group, port)
            place = self._place(name)
            labels = {**tags(self._cloud.fleet, self._cloud.stack), TAG_RESTORED: original, "Name": f"{original}-ask"}
            made = told(
                lambda: self._ec2.run_instances(
                    MinCount=1,
                    MaxCount=1,
                    ClientToken=str(uuid.uuid4()),
                    LaunchTemplate=place.template,
                    SubnetId=place.subnet,
                    SecurityGroupIds=[*place.groups, group],
                    UserData=user_data(self._cloud.region),
                    InstanceInitiatedShutdownBehavior="terminate",
                    TagSpecifications=[{"ResourceType": "instance", "Tags": pairs(labels)}],
                )
            )
            found = [made["Instances"][0]["InstanceId"]]
        self._await(found[0])
        self._online[name] = found[0]
        return found[0]

    def _admit(self, group: str, port: int) -> None:
        """Let the group's members ask one another."""
        ec2 = self._ec2
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": [{"GroupId": group}]}
        try:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        except ec2.exceptions.ClientError as exc:
            if exc.response["Error"]["Code"] != "InvalidPermission.Duplicate":
                raise OpsError(f"{group} lets nobody in: {exc}", remedy="ops iam policy --for drill") from exc

    def _place(self, name: str) -> _Place:
        """As the first cluster that uses the database starts its hosts. Raises OpsError where none does."""
        cluster = next((key for key, one in self._fleet.clusters.items() if name in one.uses), "")
        if not cluster:
            raise OpsError(
                f"nobody in the network may ask {name}: no cluster uses it", remedy=f"clusters.NAME.uses: [{name}]"
            )
        filters = tag_filters(tags(self._cloud.fleet, self._cloud.stack, cluster))
        scaling = self._cloud.client("autoscaling")
        groups = told(lambda: scaling.describe_auto_scaling_groups(Filters=filters))["AutoScalingGroups"]
        if not groups or "LaunchTemplate" not in groups[0]:
            called = physical(self._cloud.fleet, self._cloud.stack, cluster)
            raise OpsError(f"cluster {cluster} has no group {called} with a launch template", remedy="ops provision up")
        template = groups[0]["LaunchTemplate"]
        named = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": template.get("Version", "$Default")}
        asked: dict[str, Any] = {"LaunchTemplateId": named["LaunchTemplateId"], "Versions": [named["Version"]]}
        data = told(lambda: self._ec2.describe_launch_template_versions(**asked))["LaunchTemplateVersions"][0]
        subnet = groups[0]["VPCZoneIdentifier"].split(",")[0]
        return _Place(named, subnet, tuple(data["LaunchTemplateData"].get("SecurityGroupIds", ())))

    def _await(self, host: str) -> None:
        until = self._clock.now() + _ONLINE
        known = [{"Key": "InstanceIds", "Values": [host]}]
        while True:
            rows = told(lambda: self._ssm.describe_instance_information(Filters=known))["InstanceInformationList"]
            if any(row["PingStatus"] == "Online" for row in rows):
                return
            if self._clock.now() > until:
                raise OpsError(
                    f"{host} is not online in SSM {_ONLINE} after it was started",
                    remedy="has its subnet a way to SSM and to a package repository? ops drill recover terminates it",
                )
            self._clock.sleep(5)


def _packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
