"""`kill -9` of the real `ops` in the middle of its work, on real hosts: the next command explains, and finishes.

One fleet for all: provisioned, patched and drilled by commands that are killed; in file order.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest

import quartermaster.examples
from quartermaster.fleet.deb import build_deb
from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.workspace import Workspace
from tests.hosts.local_cluster import free_cidr

pytestmark = [pytest.mark.hosts, pytest.mark.engine]

EXAMPLE = Path(quartermaster.examples.__path__[0]) / "demo" / "fleet.yaml"
OPS = [sys.executable, "-m", "quartermaster.cli"]
EACH_STEP = {**os.environ, "PULUMI_SKIP_CHECKPOINTS": "false"}
"""The engine writes down each thing it makes, as it does for people."""


class Fleet:
    """A fleet of the demo's shape in a folder of its own, driven by `ops`."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fleet.yaml"
        text = EXAMPLE.read_text(encoding="utf-8").replace("10.20.0.0/16", free_cidr())
        self.file.write_text(text.replace("fleet: demo", "fleet: killed"), encoding="utf-8")

    def ops(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*OPS, "--json", "--yes", "--fleet", str(self.file), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=EACH_STEP)

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.ops(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def kill_when(self, kind: str, wanted: Callable[[list[Event]], bool], *arguments: str) -> None:
        """Start a command and kill -9 it as soon as the events of its run are as wanted."""
        child = subprocess.Popen(
            [*OPS, *arguments, "--yes", "--fleet", str(self.file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=EACH_STEP,
        )
        try:
            before = time.monotonic()
            while not wanted(self.events(kind, child.pid)):
                assert child.poll() is None, f"{arguments} ended by itself before it could be killed"
                assert time.monotonic() - before < 200, f"{arguments} never came to the point where it is killed"
                time.sleep(0.05)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()

    def events(self, kind: str, pid: int) -> list[Event]:
        """Events of the run of that process."""
        if not Workspace(self.file).database.exists():
            return []
        runs = [row for row in self._journal.runs(kind) if row.pid == pid]
        return [item.event for item in self._journal.events(runs[0].id)] if runs else []

    @cached_property
    def _journal(self) -> Journal:
        return Journal.open(Workspace(self.file).database)

    @cached_property
    def _session(self) -> dict[str, str]:
        given = self.json("local", "env")
        return {
            "endpoint_url": given["AWS_ENDPOINT_URL"],
            "aws_access_key_id": given["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": given["AWS_SECRET_ACCESS_KEY"],
        }

    def aws(self, service: str) -> Any:
        return boto3.client(service, region_name="eu-west-1", **self._session)

    def census(self) -> dict[str, int]:
        """How many there are of what has no unique name."""
        ec2 = self.aws("ec2")
        return {
            "vpcs": len(ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["false"]}])["Vpcs"]),
            "subnets": len(ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["false"]}])["Subnets"]),
            "gateways": sum(item["State"] != "deleted" for item in ec2.describe_nat_gateways()["NatGateways"]),
            "addresses": len(ec2.describe_addresses()["Addresses"]),
            "hosts": len(self.json("local", "status")["hosts"]),
        }

    def group(self) -> dict[str, Any]:
        found: dict[str, Any] = self.aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
        return found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("killed"))
    made.json("local", "up")
    offer(made, "1.0")
    yield made
    made.ops("local", "down")


def offer(fleet: Fleet, version: str) -> None:
    page = {"/srv/www/page/index.html": version}
    fleet.json("local", "packages", "add", str(build_deb("demo-shop", version, page, fleet.file.parent / "packages")))


def test_provision_up_killed_makes_nothing_twice(fleet: Fleet) -> None:
    fleet.kill_when("provision_up", lambda seen: len(seen) > 40, "provision", "up")
    done = fleet.ops("provision", "up")
    assert done.returncode == 0, done.stderr
    assert "was cut short" in done.stderr
    assert fleet.census() == {"vpcs": 1, "subnets": 9, "gateways": 3, "addresses": 3, "hosts": 3}
    assert set(fleet.json("provision", "preview")["changes"]) >= {"same"}
    changes = fleet.json("provision", "preview")["changes"]
    assert {kind for kind, count in changes.items() if count} == {"same"}


def test_patch_run_killed_is_named_and_resumed_without_patching_twice(fleet: Fleet) -> None:
    offer(fleet, "1.1")
    fleet.kill_when("patch", lambda seen: any(item.step == "converge" for item in seen), "patch", "run", "web")
    refused = fleet.ops("patch", "run", "web")
    assert refused.returncode == 2
    assert "was cut short" in refused.stderr
    done = fleet.json("patch", "resume", "web")
    assert [host["state"] for host in done["hosts"]] == ["patched"] * 3
    for host in done["hosts"]:
        shown = fleet.json("local", "exec", host["id"], "--", "grep", "-c", " upgrade demo-shop", "/var/log/dpkg.log")
        assert shown["stdout"].strip() == "1"
    group = fleet.group()
    assert group["SuspendedProcesses"] == []
    assert group["MinSize"] == 3
    assert {item["LifecycleState"] for item in group["Instances"]} == {"InService"}


def test_drill_killed_after_the_fault_is_recovered(fleet: Fleet) -> None:
    command = ("drill", "run", "instance_loss", "web", "--now")
    fleet.kill_when("drill", lambda seen: any(item.step == "lose" for item in seen), *command)
    refused = fleet.ops(*command)
    assert refused.returncode == 2
    assert "was cut short" in refused.stderr
    fleet.json("drill", "recover")
    assert {item["LifecycleState"] for item in fleet.group()["Instances"]} == {"InService"}
    assert len(fleet.json("local", "status")["hosts"]) == 3
    assert fleet.json("lease", "list")["leases"] == []


def test_destroy_killed_and_done_again_leaves_nothing(fleet: Fleet) -> None:
    fleet.kill_when("provision_destroy", lambda seen: len(seen) > 20, "provision", "destroy")
    done = fleet.ops("provision", "destroy")
    assert done.returncode == 0, done.stderr
    assert fleet.census() == {"vpcs": 0, "subnets": 0, "gateways": 0, "addresses": 0, "hosts": 0}
