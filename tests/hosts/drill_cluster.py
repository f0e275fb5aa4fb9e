"""A small balanced cluster of marker hosts on a local cloud of its own, made with plain boto3: no Pulumi, no roles.

A marker host serves its instance id with nginx and completes its launch hook by itself, as a real one does.
"""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.names import physical
from quartermaster.fleet.schema import load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.infra.local.ledger import Ledger
from tests.hosts.balanced_group import await_serving, make_group
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
        await_serving(self.hosts, count, seconds)


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
    name = physical("drills", "dev", part)
    data = _USER_DATA.replace("REGION", cloud.region).replace("GROUP", name)
    template = {"UserData": base64.b64encode(data.encode()).decode()}
    most = max(most, 2 * hosts)
    return make_group(cloud, name, net, template, count=hosts, most=most, drain_seconds=5, grace_seconds=30)
