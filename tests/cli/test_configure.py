"""`ops configure`: hosts and clusters chosen, leases held, failures named with their reason, drift in one report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli import ssh
from quartermaster.cli.main import run
from quartermaster.cli.session import Session
from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.events import Event, StepFailed, StepFinished
from quartermaster.fleet.hosts import Group, Host
from quartermaster.infra.drift import Drift, DriftReport
from quartermaster.playbooks import configure
from quartermaster.playbooks.host_drift import HostDrift
from quartermaster.playbooks.inventory import Inventory, SshFacts, Target

ROW = HostDrift("file", "/etc/nginx/nginx.conf", "1 line of its own", "1 line that it lacks", "-a\n+b", "Write it")
IN_CLOUD = Drift("urn:pulumi:dev::shop::aws:x/y:Y::web", "ingress[0].fromPort", 80, 81)


class World:
    """Two hosts of ``web`` and one of ``api``, and what Ansible is to tell of them."""

    def __init__(self) -> None:
        self.failing: dict[str, str] = {}
        self.drift: dict[str, HostDrift] = {}
        self.cloud: Sequence[Drift] = ()
        self.unread: Exception | None = None
        self.made = True
        self.booting: set[str] = set()
        """Clusters of which no host can be worked on yet."""
        self.worked: list[str] = []
        self.held: list[str] = []

    def inventory(self, ops: Session, groups: Sequence[Group]) -> Inventory:
        targets = [
            Target(host.id, host.cluster, "web", host.zone, host.address)
            for group in groups if group.cluster not in self.booting for host in group.hosts
        ]  # fmt: skip
        return Inventory(tuple(targets), SshFacts(Path("key"), Path("known")), {"i-boots": "its group says Pending"})

    def group(self, name: str) -> Group:
        ids = {"web": ("i-0", "i-1"), "api": ("i-2",)}[name]
        hosts = tuple(Host(id, name, "eu-west-1a", "10.0.0.1", "InService", "healthy") for id in ids)
        return Group(name, name, 1, 3, 2, ("eu-west-1a",), (), "", hosts)

    def apply(self, plan: configure.ConfigurePlan, ops: Any) -> Iterator[Event]:
        self.held = [row.scope for row in ops.leases.held()]
        for target in plan.inventory.targets:
            self.worked.append(target.id)
            rows = [asdict(self.drift[target.id])] if target.id in self.drift else []
            common: dict[str, Any] = {"step": "converge", "host": target.id, "zone": target.zone}
            detail: dict[str, Any] = {"changes": [row["task"] for row in rows], "drift": rows}
            if why := self.failing.get(target.id):
                detail |= {"reason": why, "remedy": "mend it"}
                yield StepFailed(**common, detail=detail, error=f"unreachable: {why}")
            else:
                yield StepFinished(**common, detail=detail, changed=bool(rows))

    def deployment(self) -> Any:
        if self.unread:
            raise self.unread
        return SimpleNamespace(made=self.made, drift=lambda: DriftReport(self.cloud))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}, api: {role: web}}\n")
    monkeypatch.chdir(tmp_path)
    found, sessions = World(), []

    def plan(self: Session) -> Any:
        sessions.append(self)
        return SimpleNamespace(client=lambda _: None)

    monkeypatch.setattr(ssh, "inventory", found.inventory)
    monkeypatch.setattr(ssh, "stack_bucket", lambda _: ("bucket", "123456789012"))
    monkeypatch.setattr(configure, "apply", lambda plan, **_: found.apply(plan, sessions[-1]))
    monkeypatch.setattr(Session, "cloud", property(plan))
    monkeypatch.setattr(Session, "hosts", property(lambda self: (self.cloud, found)[1]))
    monkeypatch.setattr(Session, "deployment", lambda _: found.deployment())
    return found


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_all_hosts_are_converged_under_their_clusters_leases(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["configure", "--json"]) == 0
    assert world.worked == ["i-0", "i-1", "i-2"]
    assert sorted(world.held) == ["dev/cluster/api", "dev/cluster/web"]
    assert told(capsys)["left_out"] == {"i-boots": "its group says Pending"}


def test_a_cluster_or_a_host_alone_is_converged_and_only_its_cluster_held(world: World) -> None:
    assert run(["configure", "api"]) == 0
    assert (world.worked, world.held) == (["i-2"], ["dev/cluster/api"])
    assert run(["configure", "i-1"]) == 0
    assert (world.worked[1:], world.held) == (["i-1"], ["dev/cluster/web"])


def test_a_name_that_is_neither_is_refused_with_those_there_are(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["configure", "wbe"]) == 2
    assert "no cluster or host wbe" in (said := capsys.readouterr().err) and "api, i-0, i-1" in said
    assert world.worked == []


def test_hosts_that_failed_are_named_with_the_reason_and_the_others_converge(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.failing = {"i-0": "refused"}
    assert run(["configure", "--json"]) == 1
    captured = capsys.readouterr()
    hosts = {host["id"]: host for host in json.loads(captured.out)["hosts"]}
    assert hosts["i-0"]["reason"] == "refused" and hosts["i-1"]["error"] == ""
    assert "1 of 3 hosts did not converge: i-0 (refused)" in captured.err and "mend it" in captured.err


def test_a_check_shows_hosts_and_cloud_in_one_report_and_takes_no_lease(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.drift, world.cloud = {"i-1": ROW}, (IN_CLOUD,)
    assert run(["configure", "--check"]) == 0
    shown = capsys.readouterr().out
    assert world.held == []
    assert [line.split()[0] for line in shown.splitlines() if "nginx.conf" in line or "fromPort" in line] == [
        "i-1", "web",
    ]  # fmt: skip


def test_a_checks_json_has_whole_diffs_and_the_clouds_drift_as_provision_drift_has_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.drift, world.cloud = {"i-1": ROW}, (IN_CLOUD,)
    assert run(["configure", "--check", "--json", "--exit-code"]) == 3
    document = told(capsys)
    assert [host["drift"] for host in document["hosts"]] == [[], [asdict(ROW)], []]
    assert document["cloud"] == {"unread": "", **DriftReport([IN_CLOUD]).to_json()}


@pytest.mark.parametrize("where", ["hosts", "cloud"])
def test_drift_of_either_kind_exits_3_when_asked(world: World, where: str) -> None:
    assert run(["configure", "--check", "--exit-code"]) == 0
    world.drift, world.cloud = ({"i-0": ROW}, ()) if where == "hosts" else ({}, (IN_CLOUD,))
    assert run(["configure", "--check", "--exit-code"]) == 3
    assert run(["configure", "--check"]) == 0


def test_a_cloud_that_cannot_be_compared_is_told_and_hosts_are_checked_all_the_same(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.made = False
    assert run(["configure", "--check", "--json"]) == 0
    assert "was not made by `ops provision up`" in told(capsys)["cloud"]["unread"]
    world.unread, world.drift = MissingPart("the Pulumi engine is not installed"), {"i-0": ROW}
    assert run(["configure", "--check", "--exit-code"]) == 3
    assert "not read: the Pulumi engine is not installed" in capsys.readouterr().out


def test_a_host_that_could_not_be_checked_is_a_failure_and_not_drift(world: World) -> None:
    world.failing = {"i-0": "host_key_changed"}
    assert run(["configure", "--check", "--exit-code"]) == 1


@pytest.mark.parametrize(
    ("targets", "failing", "booting", "says"),
    [
        ([], [], [], "hosts: 3 looked at (web 2, api 1)\nno drift\nleft out: i-boots: its group says Pending\n"),
        ([], ["i-0"], [], "hosts: 2 looked at (web 1 of 2, api 1)\nno drift\nnot checked: i-0 (refused): unreachable"),
        ([], [], ["api"], "hosts: 2 looked at (web 2, api 0)\nno drift\n"),
        (["api"], [], [], "hosts: 1 looked at (api 1)\nno drift\n"),
        (["api"], ["i-2"], [], "hosts: 0 looked at (api 0 of 1)\nnot checked: i-2 (refused): unreachable"),
    ],
)  # fmt: skip
def test_a_check_says_which_hosts_it_looked_at(
    world: World, targets: list[str], failing: list[str], booting: list[str], says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.failing, world.booting = dict.fromkeys(failing, "refused"), set(booting)
    assert run(["configure", *targets, "--check"]) == bool(failing)
    assert capsys.readouterr().out.startswith(says)


def test_an_exit_code_without_a_check_is_refused(world: World) -> None:
    assert run(["configure", "--exit-code"]) == 2
    assert world.worked == []


def test_a_patch_cycle_of_a_cluster_keeps_configure_out(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    from quartermaster.cli.options import Options

    ops = Session(Options())
    with ops.run("patch", subject="web", scopes=["dev/cluster/web", "dev/zone/eu-west-1a"]):
        assert run(["configure", "web"]) == 1
        assert run(["configure", "api"]) == 0
    assert "dev/cluster/web" in capsys.readouterr().err
