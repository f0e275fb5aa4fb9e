"""A balanced cluster of web hosts on a local cloud of its own: real roles, real user data, plain boto3, no Pulumi."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from quartermaster.fleet.aws import LOCAL_ACCOUNT, Cloud, connect
from quartermaster.fleet.deb import build_deb
from quartermaster.fleet.hosts import Hosts, Requests
from quartermaster.fleet.names import physical
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra import keys, userdata
from quartermaster.infra.local import client
from quartermaster.playbooks import patch
from quartermaster.playbooks.bundle import build
from quartermaster.playbooks.host_keys import learn
from quartermaster.playbooks.inventory import Inventory, SshFacts, from_groups
from quartermaster.playbooks.machine import Limits
from quartermaster.playbooks.patch_gate import http_probe
from quartermaster.playbooks.patch_pins import BucketPins
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_run import Tools
from quartermaster.playbooks.publish import POINTER, publish
from quartermaster.playbooks.remote import SshMachines
from quartermaster.playbooks.world import CloudWorld
from tests.hosts.balanced_group import await_serving, make_group
from tests.hosts.local_cluster import free_cidr

NAME = physical("patches", "dev", "web")
BUCKET = physical("patches", "dev", "ops-123456789012")


@dataclass(frozen=True)
class PatchCluster:
    """Cluster ``web``, reached through its fleet file: another process makes the same value of it."""

    file: Path

    @property
    def fleet(self) -> Fleet:
        return load_fleet(self.file)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.file)

    @cached_property
    def cloud(self) -> Cloud:
        return connect(self.fleet, "dev", self.workspace)

    @cached_property
    def hosts(self) -> Hosts:
        return Hosts(self.cloud)

    @property
    def url(self) -> str:
        """The balancer's, once the daemon has made it."""
        for _ in range(120):
            for balancer in client.status(self.workspace)["balancers"]:
                if balancer["url"]:
                    return str(balancer["url"]).rstrip("/")
            time.sleep(0.5)
        raise AssertionError(f"no balancer: {client.status(self.workspace)}")

    def read(self, cluster: str) -> Requests:
        return client.requests(self.workspace, NAME)

    def inventory(self) -> Inventory:
        known = self.workspace.folder("local") / "ssh" / "hosts"
        ssh = SshFacts(keys.private_key(self.workspace), known)
        found = from_groups([self.hosts.group("web")], {"web": "web"}, ssh)
        learn(found, self.cloud.client("s3"), bucket=BUCKET, region=self.cloud.region, account=LOCAL_ACCOUNT)
        return found

    def tools(self, limits: Limits | None = None) -> Tools:
        limits = limits or Limits()
        return Tools(
            CloudWorld(self.hosts, "web"),
            SshMachines(self.inventory(), limits),
            self,
            http_probe(f"{self.url}/healthz"),
            BucketPins(self.cloud.client("s3"), BUCKET, "web"),
            limits=limits,
        )

    def plan(self) -> PatchPlan:
        hosts, machines = self.hosts, SshMachines(self.inventory())
        group = hosts.group("web")
        surveys = {}
        for host in group.hosts:
            machine = machines.open(host.id)
            surveys[host.id] = machine.survey()
            machine.close()
        drain = hosts.drain_seconds(group)
        return patch.plan(group, self.fleet, surveys, datetime.now(UTC), drain_seconds=drain)

    def offer(
        self, version: str, *, scripts: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
    ) -> None:
        """Offer that version of the page to all hosts."""
        files = {"/srv/www/page/index.html": f"page {version}\n", **(files or {})}
        deb = build_deb("shop-page", version, files, self.workspace.folder("cache"), scripts=scripts)
        client.add_package(self.workspace, deb)

    def release(self, **what: Mapping[str, str]) -> str:
        """Offer the version after all that were; which one it is."""
        folder = self.workspace.folder("local") / "packages"
        offered = [int(path.name.split("_")[1].split(".")[0]) for path in folder.glob("shop-page_*.deb")]
        version = f"{max(offered) + 1}.0"
        self.offer(version, **what)
        return version

    def resize(self, count: int, floor: int | None = None) -> None:
        """Bring the group to so many hosts, and wait until they serve. Its min is the count unless ``floor`` says."""
        size = f"min: {floor or count}, max"
        self.file.write_text(re.sub(r"min: \d+, max", size, self.file.read_text(encoding="utf-8")), encoding="utf-8")
        self.cloud.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=NAME, MinSize=floor or count, DesiredCapacity=count
        )
        self.await_serving(count)

    def on(self, host_id: str, command: str) -> str:
        done = client.execute(self.workspace, host_id, ["sh", "-c", command])
        return str(done.stdout).strip()

    def await_serving(self, count: int, seconds: float = 400) -> None:
        try:
            await_serving(self.hosts, count, seconds)
        except AssertionError as failed:
            logs = [self.on(host.id, "tail -5 /var/log/ops-converge.log") for host in self.hosts.group("web").hosts]
            raise AssertionError(f"{failed}: {logs}") from None


@contextmanager
def patch_cluster(folder: Path, *, count: int = 3, floor: int | None = None) -> Iterator[PatchCluster]:
    """The cluster, serving page 1.0, its min the count unless ``floor`` says; nothing of it is left afterwards."""
    net = free_cidr().removesuffix(".0.0/16")
    file = folder / "fleet.yaml"
    file.write_text(
        "fleet: patches\nregion: eu-west-1\n"
        f"network: {{cidr: {net}.0.0/20}}\n"
        f"clusters: {{web: {{size: {{min: {floor or count}, max: 12}}, balancer: {{drain_seconds: 3}}}}}}\n"
        "patching: {web: {window: always, canary: 1, wave: 2, soak_minutes: 0, gate: {min_requests: 100,\n"
        "  max_latency_ratio: 100}}}\n"  # hosts share this machine, and other work on it shuts no gate
        "ansible: {vars: {web_packages: [shop-page]}}\n",
        encoding="utf-8",
    )
    cluster = PatchCluster(file)
    try:
        client.ensure_running(cluster.workspace, "patches", "real")
        cluster.offer("1.0")
        _build(cluster, net, count)
        cluster.await_serving(count)
        cluster.hosts.set_floor(cluster.hosts.group("web"), floor or count)
        yield cluster
    finally:
        client.down(cluster.workspace)


def _build(cluster: PatchCluster, net: str, count: int) -> None:
    cloud = cluster.cloud
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    publish(s3, BUCKET, build(cluster.fleet))
    cloud.client("ec2").import_key_pair(KeyName="ops", PublicKeyMaterial=keys.public_key(cluster.workspace).encode())
    data = userdata.render(
        bucket=BUCKET, pointer=POINTER, region=cloud.region, cluster="web", role="web", group=NAME, hook="converged"
    )
    template = {"KeyName": "ops", "UserData": base64.b64encode(data.encode()).decode()}
    make_group(cloud, NAME, net, template, count=count, most=12, drain_seconds=3, grace_seconds=60)
