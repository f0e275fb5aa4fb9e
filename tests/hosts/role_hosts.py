"""Single hosts on a local cloud of their own, one a cluster, that nothing has converged yet: no group, no user data."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra import keys
from quartermaster.infra.local import client
from quartermaster.playbooks import configure
from quartermaster.playbooks.bundle import build
from quartermaster.playbooks.configure import ConfigureResult
from quartermaster.playbooks.host_keys import known_hosts_lines
from quartermaster.playbooks.inventory import Inventory, SshFacts, Target
from tests.hosts.local_cluster import free_cidr, wait

_IMAGE = "ami-0deb12a4d64000001"


@dataclass
class RoleHosts:
    """A host for each cluster of the fleet, by the cluster's name."""

    file: Path
    ids: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.file)

    def cloud(self, fleet: Fleet) -> Cloud:
        return connect(fleet, "dev", self.workspace)

    @property
    def _known_hosts(self) -> Path:
        return self.workspace.folder("local") / "known"

    def learn_keys(self) -> None:
        """Note the hosts' SSH keys, which hosts with user data say at launch."""
        self._known_hosts.mkdir()
        for name, host_id in self.ids.items():
            said = self.on(name, "cat /etc/ssh/ssh_host_*_key.pub")
            (self._known_hosts / host_id).write_text(known_hosts_lines(host_id, said))

    def on(self, cluster: str, command: str) -> str:
        """What a shell command says there, errors too."""
        done = client.execute(self.workspace, self.ids[cluster], ["sh", "-c", f"{command} 2>&1"])
        return str(done.stdout).strip()

    def converge(self, fleet: Fleet, *, check: bool = False) -> ConfigureResult:
        """What `ops configure` does to the hosts of the fleet's clusters."""
        ssh = SshFacts(keys.private_key(self.workspace), self._known_hosts)
        targets = tuple(
            Target(self.ids[name], name, cluster.role, "eu-west-1a", self.addresses[name])
            for name, cluster in sorted(fleet.clusters.items())
        )
        plan = configure.plan(Inventory(targets, ssh), build(fleet, self.file.parent), bucket="roles", check=check)
        events = configure.apply(plan, cache=self.workspace.folder("cache"), s3=self.cloud(fleet).client("s3"))
        return configure.outcome(list(events))

    @property
    def public_key(self) -> str:
        """The one that the hosts' image user has, too."""
        return keys.public_key(self.workspace)

    def ssh(self, cluster: str, user: str, command: str) -> str:
        """What a command says there, run as a user who logs in with the key."""
        return self._ssh(cluster, user, "-i", str(keys.private_key(self.workspace)), command=command)

    def methods(self, cluster: str) -> str:
        """Ways in that its SSH server offers somebody who has no key; empty while it does not answer."""
        said = self._ssh(cluster, "admin", "-o", "PubkeyAuthentication=no")
        found = re.search(r"Permission denied \((.*)\)", said)
        return found[1] if found else ""

    def _ssh(self, cluster: str, user: str, *words: str, command: str = "true") -> str:
        chosen = ("BatchMode=yes", "ConnectTimeout=3", "LogLevel=ERROR")
        unknown = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        options = [word for option in (*chosen, *unknown) for word in ("-o", option)]
        line = ["ssh", *options, *words, f"{user}@{self.addresses[cluster]}", command]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()


@contextmanager
def role_hosts(folder: Path, fleet: Fleet) -> Iterator[RoleHosts]:
    """The hosts, booted; nothing of them is left afterwards."""
    hosts = RoleHosts(folder / "fleet.yaml")
    try:
        client.ensure_running(hosts.workspace, fleet.fleet, "instant")
        _launch(hosts, fleet)
        yield hosts
    finally:
        client.down(hosts.workspace)


def _launch(hosts: RoleHosts, fleet: Fleet) -> None:
    cloud, cidr = hosts.cloud(fleet), free_cidr()
    ec2, s3 = cloud.client("ec2"), cloud.client("s3")
    s3.create_bucket(Bucket="roles", CreateBucketConfiguration={"LocationConstraint": cloud.region})
    ec2.import_key_pair(KeyName="ops", PublicKeyMaterial=keys.public_key(hosts.workspace).encode())
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    block = cidr.replace("/16", "/24")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone="eu-west-1a")["Subnet"]["SubnetId"]
    common = {"ImageId": _IMAGE, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "KeyName": "ops"}
    for name in fleet.clusters:
        made = ec2.run_instances(InstanceType="m6i.large", **common)["Instances"][0]
        hosts.ids[name], hosts.addresses[name] = made["InstanceId"], made["PrivateIpAddress"]
    for name in fleet.clusters:
        wait(lambda name=name: hosts.methods(name))
    hosts.learn_keys()
