"""Plan and patch on real hosts; test_patch_load.py does it under load, test_patch_faults.py with faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from quartermaster.cli import main
from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Journal
from quartermaster.playbooks import patch_run
from quartermaster.playbooks.patch_result import outcome
from quartermaster.playbooks.patch_saved import read_plan
from tests.hosts.apart import apart
from tests.hosts.patch_cluster import PatchCluster

pytestmark = pytest.mark.hosts

REBOOT = {"postinst": "#!/bin/sh\ntouch /run/reboot-required\n"}


@pytest.fixture(scope="module")
def cluster(patched: PatchCluster) -> PatchCluster:
    patched.resize(3)
    return patched


def told(events: Iterator[Event]) -> Iterator[Event]:
    """The events, each also on stdout: what a failing test shows."""
    for event in events:
        print(event.kind, event.step, event.host, getattr(event, "error", ""), getattr(event, "seconds", ""))  # noqa: T201
        yield event


def test_a_reviewed_plan_is_carried_out_as_it_stands_or_not_at_all(
    cluster: PatchCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command line: hosts say what is pending; a release since then is named, and the update keeps its age."""

    def ops(*words: str) -> int:
        return main.run(["patch", *words, "--fleet", str(cluster.file)])

    first, second = tmp_path / "first.json", tmp_path / "second.json"
    cluster.offer("1.5")
    assert ops("plan", "web", "--out", str(first)) == 0
    cluster.offer("1.6")
    assert ops("run", "web", "--plan", str(first), "--yes") == 2
    assert "pending: shop-page: the plan has 1.0 → 1.5 on 3 hosts, now it is 1.0 → 1.6" in capsys.readouterr().err
    assert ops("plan", "web", "--out", str(second)) == 0
    old, new = (read_plan(file).plan for file in (first, second))
    assert [host.updates[0].first_seen for host in old.hosts] == [host.updates[0].first_seen for host in new.hosts]
    assert {host.rollback for host in new.hosts} == {"packages"}
    assert new.pins == {"shop-page": "1.6"}
    assert ops("status", "web", "--refresh") == 0
    assert "web: 3 updates pending on 3 of 3 hosts" in capsys.readouterr().out


def test_a_host_converges_where_its_upgrade_moved_what_roles_manage(cluster: PatchCluster) -> None:
    settings = "/etc/security/limits.d/50-ops.conf"
    version = cluster.release(scripts={"postinst": f"#!/bin/sh\n[ ! -e /run/spoil ] || : >{settings}\n"})
    spoilt, other, *_ = (host.id for host in cluster.hosts.group("web").hosts)
    before = cluster.on(spoilt, f"cat {settings}")
    cluster.on(spoilt, "touch /run/spoil")
    found = {}
    for host_id in (spoilt, other):
        machine = cluster.tools().machines.open(host_id)
        machine.survey()
        machine.save("patch-c", {"shop-page": version})
        machine.upgrade("patch-c", {"shop-page": version})
        found[host_id] = machine.converge("patch-c")
        machine.close()
    assert found[spoilt] == {"changed": 1, "because": f"{settings} is not as it was"}
    assert found[other] == {"changed": 0, "settled": True}
    assert cluster.on(spoilt, f"cat {settings}") == before != ""


@pytest.mark.soak
def test_a_killed_run_is_resumed_and_nobody_is_patched_twice(cluster: PatchCluster) -> None:
    version = cluster.release(scripts={"preinst": "#!/bin/sh\nsleep 3\n", **REBOOT})
    before = cluster.hosts.group("web")
    with apart("patch_driver", cluster.file) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("started upgrade"):
                break
        child.kill()
    journal = Journal.open(cluster.workspace.database)
    row = journal.runs("patch")[0]
    assert row.interrupted
    run = journal.resume(row.id)
    past = [recorded.event for recorded in journal.events(row.id)]
    list(told(run.record(patch_run.resume(past, row.id, cluster.tools()))))
    result = outcome((recorded.event for recorded in journal.events(row.id)), run=row.id)
    assert (result.state, {host.state for host in result.hosts}) == ("done", {"patched"}), asdict(result)
    assert cluster.hosts.group("web") == before
    for host in before.hosts:
        assert cluster.on(host.id, f"grep -c 'upgrade shop-page:all .* {version}$' /var/log/dpkg.log") == "1"
