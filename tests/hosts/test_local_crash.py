"""Nothing of a local cloud stays behind, however it ends; and two that start at once are one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from tests.hosts.local_cluster import LocalCluster, network, wait

pytestmark = pytest.mark.hosts


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    workspace = Workspace(tmp_path / "fleet.yaml")
    client.ensure_running(workspace, "crash", timing="instant")
    try:
        yield LocalCluster(workspace)
    finally:
        client.down(workspace)


def left(instance: str) -> list[str]:
    """What still carries the cloud's run id: namespaces, interfaces, mounts."""
    spaces = Path("/run/netns")
    names = [*(spaces.iterdir() if spaces.is_dir() else ()), *Path("/sys/class/net").iterdir()]
    return [path.name for path in names if path.name.startswith(f"qm{instance}")]


def processes(home: Path) -> list[str]:
    """Command lines that name the workspace."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(home) in line:
                found.append(line)
    return found


def populate(cluster: LocalCluster) -> str:
    """Hosts, a balancer and a database; the cloud's run id."""
    vpc = network(cluster)
    ec2, elb, rds = cluster.api("ec2"), cluster.api("elbv2"), cluster.api("rds")
    for subnet in cluster.subnets[:2]:
        ec2.run_instances(ImageId="ami-0deb12a4d64000001", MinCount=1, MaxCount=1, SubnetId=subnet)
    target = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
    balancer = elb.create_load_balancer(Name="web", Subnets=list(cluster.subnets))["LoadBalancers"][0]
    action = {"Type": "forward", "TargetGroupArn": target["TargetGroupArn"]}
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action])
    rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=list(cluster.subnets))
    rds.create_db_instance(
        DBInstanceIdentifier="orders",
        Engine="postgres",
        DBInstanceClass="db.m6i.large",
        AllocatedStorage=20,
        DBName="orders",
        MasterUsername="ops",
        MasterUserPassword="not-a-secret",
        DBSubnetGroupName="g",
        MultiAZ=True,
    )

    def complete() -> bool:
        seen = client.status(cluster.workspace)
        up = [host for host in seen["hosts"] if host["state"] == "on"]
        return len(up) == 2 and bool(seen["databases"]) and bool(seen["databases"][0]["standby"]["synchronous"])

    wait(complete)
    local = client.running(cluster.workspace)
    assert local is not None
    return local.instance


def test_after_down_nothing_is_left(cluster: LocalCluster) -> None:
    instance = populate(cluster)
    assert left(instance)
    client.down(cluster.workspace)
    assert left(instance) == []
    assert processes(cluster.workspace.root) == []
    assert client.status(cluster.workspace)["state"] == "stopped"


def test_after_kill_9_the_next_command_says_so_and_down_removes_all(cluster: LocalCluster) -> None:
    instance = populate(cluster)
    local = client.running(cluster.workspace)
    assert local is not None
    os.kill(local.pid, signal.SIGKILL)
    wait(lambda: client.running(cluster.workspace) is None)
    assert client.status(cluster.workspace)["state"] == "dead"
    with pytest.raises(MissingPart, match="is gone") as refusal:
        client.ensure_running(cluster.workspace, "crash")
    assert refusal.value.remedy == "ops local reset"
    client.down(cluster.workspace)
    assert left(instance) == []
    assert processes(cluster.workspace.root) == []
    assert not list((cluster.workspace.folder("local") / "hosts").iterdir())


def test_two_that_start_at_once_are_one_cloud(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from quartermaster.fleet.workspace import Workspace; "
        "from quartermaster.infra.local import client; "
        "sys.stdout.write(client.ensure_running(Workspace(Path(sys.argv[1])), 'race').instance)"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "fleet.yaml")]
    try:
        racers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        answers = {racer.communicate(timeout=60)[0] for racer in racers}
        assert len(answers) == 1
        assert answers != {""}
    finally:
        client.down(Workspace(tmp_path / "fleet.yaml"))
