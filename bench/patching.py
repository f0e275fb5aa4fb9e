"""What a patch cycle takes beside other ways to the same upgrade: the same hosts, waves and package, one run.

    python bench/patching.py [--hosts N] [--runs N] [--only NAME ...]

12 hosts of the local cloud in 3 zones, behind a balancer, in 3 waves of a zone each. Every turn offers a new version
of a small package, and every host has to be at it afterwards.

ops patch          the command: it reads from the cloud which hosts there are, asks them what is pending, decides on
                   waves, and does each step of a host, journalled: old packages kept, standby, drain, upgrade, whether
                   roles must be applied again, health, healthy at the balancer, then a gate of 50 requests
ansible-playbook   playbooks/patch.yml with pipelining: no standby, no drain, no gate, no way back
  at the balancer  and each wave in standby, drained, checked on the host, healthy at the balancer before the next
pyinfra            the same operations; pinned, in an environment of its own. It knows no waves: the command runs once
                   for each. As Ansible it is told the hosts, their waves and the version
  at the balancer  the same around each command
pyinfra, its API   the same from a script of one's own, in one process for all waves
bare ssh           apt-get over one connection a host: the floor

What is waited for at the balancer is set by the target group, so that is short here: drain 0 s, a check every
``CHECK_SECONDS`` s (AWS takes 5 at least), and the local cloud takes no time where AWS's control plane would
(``--timing instant``). ``healthy`` among the steps is what is left of it.
"""

# ruff: noqa: E402 - the tests' cluster is found from the root of the tree
from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from peers import environment, versions
from ruamel.yaml import YAML

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from quartermaster.fleet.events import StepFinished
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from tests.hosts.patch_cluster import NAME, PatchCluster, patch_cluster

BIN = Path(sys.executable).parent
CHECK_SECONDS = 1
APT = "apt-get -y -qq -o DPkg::Lock::Timeout=120"


class Bench:
    """The cluster, and each way to bring its hosts to another version; each returns its seconds."""

    def __init__(self, cluster: PatchCluster, python: Path | None) -> None:
        self.cluster = cluster
        self.python = python
        self.number = 1
        self.zones: dict[str, list[str]] = defaultdict(list)
        for target in cluster.inventory().targets:
            self.zones[target.zone].append(target.id)
        self.steps: dict[str, list[float]] = defaultdict(list)
        self.checks: list[float] = []
        """Seconds of each cycle of ours in which a wave waited for the balancer's check."""

    def turn(self, way: Callable[[str], None]) -> float:
        """Offer a version, go that way, and see that every host has it."""
        self.number += 1
        offered = f"{self.number}.0"
        self.cluster.offer(offered)
        began = time.perf_counter()
        way(offered)
        seconds = time.perf_counter() - began
        for host in self.cluster.inventory().targets:
            found = self.cluster.on(host.id, "dpkg-query -W -f='${Version}' shop-page")
            assert found == offered, f"{host.id} is at {found}, not {offered}"
        return seconds

    def ours(self, _offered: str) -> None:
        _must([BIN / "ops", "patch", "run", "web", "--yes", "--json", "--fleet", self.cluster.file])
        journal = Journal.open(self.cluster.workspace.database)
        healthy: dict[str, float] = {}
        for recorded in journal.events(journal.runs("patch")[0].id):
            event = recorded.event
            if isinstance(event, StepFinished):
                self.steps[event.step.partition(":")[0]].append(event.seconds)
                if event.step == "healthy":
                    healthy[event.zone] = max(event.seconds, healthy.get(event.zone, 0.0))
        self.checks.append(sum(healthy.values()))

    def ansible(self, offered: str) -> None:
        self._play(HERE.parent / "playbooks" / "patch.yml", {"packages": [f"shop-page={offered}"]})

    def ansible_balanced(self, offered: str) -> None:
        said = {"packages": [f"shop-page={offered}"], "balancer": self.balancer}
        self._play(HERE / "peers" / "patch_balanced.yml", said)

    def _play(self, book: Path, said: dict[str, Any]) -> None:
        words = ["-e", f"wave={len(self.waves[0])}", "-e", json.dumps(said)]
        with tempfile.TemporaryDirectory() as folder:
            hosts = self.cluster.inventory().write(Path(folder))
            pipelined = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_HOME": folder, "ANSIBLE_FORKS": "10"}
            _must([BIN / "ansible-playbook", "-i", hosts, book, *words], {**self.aws, **pipelined})

    def pyinfra_balanced(self, offered: str) -> None:
        self.pyinfra(offered, balanced=True)

    def pyinfra(self, offered: str, *, balanced: bool = False) -> None:
        inventory = self.cluster.inventory()
        with tempfile.TemporaryDirectory() as folder:
            ssh = {
                "ssh_user": inventory.ssh.user,
                "ssh_key": str(inventory.ssh.key),
                "ssh_known_hosts_file": f"{folder}/known_hosts",
                "ssh_strict_host_key_checking": "accept-new",
            }
            lines = [
                f"wave_{number} = {([inventory.target(host).address for host in wave], ssh)!r}"
                for number, wave in enumerate(self.waves)
            ]
            hosts = Path(folder) / "hosts.py"
            hosts.write_text("\n".join(lines), encoding="utf-8")
            python, script, *group = self.balancer
            for number, wave in enumerate(self.waves):
                words = ["-y", "--limit", f"wave_{number}", "--data", f"packages=shop-page={offered}"]
                assert self.python is not None
                if balanced:
                    _must([python, script, "out", *group, *wave], self.aws)
                _must([self.python.with_name("pyinfra"), *words, hosts, HERE / "peers" / "patch_deploy.py"])
                if balanced:
                    _must([python, script, "in", *group, *wave], self.aws)

    def pyinfra_api(self, offered: str) -> None:
        inventory = self.cluster.inventory()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as order:
            waves = [[inventory.target(host).address for host in wave] for wave in self.waves]
            known = f"{order.name}.known_hosts"
            ssh = {"user": inventory.ssh.user, "key": str(inventory.ssh.key), "known_hosts": known}
            json.dump({**ssh, "packages": [f"shop-page={offered}"], "waves": waves}, order)
            order.flush()
            _must([self.python, "-m", "gevent.monkey", HERE / "peers" / "patch_pyinfra.py", order.name])
            Path(known).unlink(missing_ok=True)

    def ssh(self, offered: str) -> None:
        inventory = self.cluster.inventory()
        upgrade = f"{APT} update && DEBIAN_FRONTEND=noninteractive {APT} --only-upgrade install shop-page={offered}"
        for wave in self.waves:
            children = [
                subprocess.Popen(
                    [*inventory.ssh_command(host), f"sudo sh -c '{upgrade}; test ! -e /run/reboot-required'"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                for host in wave
            ]
            assert not any(child.wait() for child in children)

    @cached_property
    def balancer(self) -> list[str]:
        """The command that takes hosts out of service and returns them, less its third word: out or in."""
        found = self.cluster.cloud.client("elbv2").describe_target_groups(Names=[NAME])["TargetGroups"]
        return [sys.executable, str(HERE / "peers" / "patch_balancer.py"), NAME, found[0]["TargetGroupArn"]]

    @cached_property
    def aws(self) -> dict[str, str]:
        """The environment in which AWS's clients speak to the local cloud."""
        return {**os.environ, **client.environment(self.cluster.workspace, self.cluster.cloud.region)}

    @property
    def waves(self) -> list[list[str]]:
        return list(self.zones.values())


def _must(command: list[str | Path | None], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def grown(cluster: PatchCluster, count: int) -> None:
    """The cluster at that size, with waves of a zone each and balancer delays as short as they go."""
    yaml = YAML()
    said = yaml.load(cluster.file)
    said["clusters"]["web"]["size"] = {"min": count, "max": count + 4}
    said["patching"]["web"] |= {"canary": 0, "wave": count // 3}
    yaml.dump(said, cluster.file)
    elb = cluster.cloud.client("elbv2")
    targets = elb.describe_target_groups(Names=[NAME])["TargetGroups"][0]["TargetGroupArn"]
    _unchecked(cluster).modify_target_group(
        TargetGroupArn=targets, HealthCheckIntervalSeconds=CHECK_SECONDS, HealthCheckTimeoutSeconds=CHECK_SECONDS
    )
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}
    elb.modify_target_group_attributes(TargetGroupArn=targets, Attributes=[delay])
    cluster.cloud.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName=NAME, MinSize=count, MaxSize=count + 4, DesiredCapacity=count
    )
    cluster.await_serving(count, 900)


def _unchecked(cluster: PatchCluster) -> Any:
    """A client of the balancers that lets values through which AWS would refuse."""
    known = client.environment(cluster.workspace, cluster.cloud.region)
    return boto3.client(
        "elbv2",
        endpoint_url=known["AWS_ENDPOINT_URL"],
        region_name=cluster.cloud.region,
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        config=Config(parameter_validation=False),
    )


def side_by_side(count: int, runs: int, only: list[str]) -> None:
    python = environment(HERE / "patching-requirements.txt")
    pyinfra = versions(python, HERE / "patching-requirements.in") if python else "no pyinfra"
    print(f"patching: {count} hosts in 3 waves, medians of {runs}; ansible-core {version('ansible-core')}, {pyinfra}")
    print(f"  drain 0 s, balancer's check every {CHECK_SECONDS} s; {os.cpu_count()} cores for controller and hosts")
    folder = Path(tempfile.mkdtemp(prefix="ops-bench-"))
    try:
        client.ensure_running(Workspace(folder / "fleet.yaml"), "patches", "instant")
        with patch_cluster(folder) as cluster:
            grown(cluster, count)
            bench = Bench(cluster, python)
            ways = {
                "ops patch": bench.ours,
                "ansible-playbook": bench.ansible,
                "ansible at the balancer": bench.ansible_balanced,
                **({"pyinfra": bench.pyinfra, "pyinfra at the balancer": bench.pyinfra_balanced} if python else {}),
                **({"pyinfra, its API": bench.pyinfra_api} if python else {}),
                "bare ssh": bench.ssh,
            }
            taken: dict[str, list[float]] = defaultdict(list)
            for _ in range(runs):
                for name, way in ways.items():
                    if name in only or not only:
                        taken[name].append(bench.turn(way))
            medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
            for name, seconds in medians.items():
                beside = (
                    f"   ops patch takes {medians['ops patch'] / seconds:.2f} of it" if "ops patch" in medians else ""
                )
                spread = f"{min(taken[name]):.1f} to {max(taken[name]):.1f}"
                print(f"  {name:<23} {seconds:6.1f} s   ({spread}){beside if name != 'ops patch' else ''}", flush=True)
            told = ", ".join(f"{name} {statistics.median(of):.2f}" for name, of in bench.steps.items() if max(of) > 0)
            print(f"  a step of ours, median s: {told}")
            if bench.checks:
                print(f"  of ours, waiting for the balancer's check: {statistics.median(bench.checks):.1f} s")
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=12, help="a multiple of 3")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    args = parser.parse_args()
    side_by_side(args.hosts, args.runs, args.only)


if __name__ == "__main__":
    main()
