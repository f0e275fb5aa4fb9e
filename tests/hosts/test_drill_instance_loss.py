"""The drill on real hosts, under load: a host loses its power, the group replaces it, and a kill -9 is put right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.load import Load, refusal
from quartermaster.runbooks import drill
from quartermaster.runbooks.document import PHASES
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.plan import DrillPlan
from tests.hosts.drill_cluster import DrillCluster, drill_cluster

pytestmark = pytest.mark.hosts

SCRIPT = """
import json, sys
from quartermaster.fleet.aws import connect
from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.plan import DrillPlan
from pathlib import Path

class Faults:
    def kill_host(self, host_id):
        client.kill_host(workspace, host_id)

    def fail_zone(self, zone):
        client.fail_zone(workspace, zone)

    def heal_zone(self, zone):
        client.heal_zone(workspace, zone)

workspace = Workspace(Path(sys.argv[1]))
journal = Journal.open(workspace.database)
plan = DrillPlan.from_json(json.load(sys.stdin))
hosts = Hosts(connect(load_fleet(Path(sys.argv[1])), "dev", workspace))
hands = Hands(hosts=hosts, faults=Faults(), clock=SystemClock())
for event in drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands):
    print(event.kind, event.step, flush=True)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillCluster]:
    with drill_cluster(tmp_path_factory.mktemp("drills")) as found:
        yield found


@pytest.fixture
def journal(cluster: DrillCluster) -> Iterator[Journal]:
    opened = Journal.open(cluster.workspace.database)
    yield opened
    opened.engine.dispose()


def a_plan(cluster: DrillCluster) -> DrillPlan:
    scene = drill.see("instance_loss", "web", cluster.fleet, cluster.hands)
    now = datetime.now(UTC)
    return drill.plan("instance_loss", "web", scene=scene, fleet=cluster.fleet, stack="dev", now=now, right_now=True)


def result_of(events: Iterator[object]) -> DrillResult:
    while True:
        try:
            next(events)
        except StopIteration as end:
            assert isinstance(end.value, DrillResult)
            return end.value


def assert_whole(cluster: DrillCluster, plan: DrillPlan) -> None:
    cluster.await_serving(3)
    group = cluster.hosts.group("web")
    assert sorted(host.zone for host in group.hosts) == sorted(host.zone for host in plan.before.groups["web"].hosts)
    assert plan.host not in {host.id for host in group.hosts}


def test_only_the_balancer_may_be_loaded(cluster: DrillCluster) -> None:
    assert refusal(cluster.url) == ""
    assert "neither" in refusal("http://192.0.2.1/")


def test_a_lost_host_is_replaced_under_load_and_the_recovery_measured(cluster: DrillCluster, journal: Journal) -> None:
    plan = a_plan(cluster)
    with Load(cluster.url, rate_per_second=60, connections=8, seconds_max=300) as load:
        events = drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=cluster.hands)
        result = result_of(events)
    assert tuple(result.rto_phases) == PHASES
    assert result.rto_seconds == pytest.approx(sum(result.rto_phases.values()), abs=0.01)
    # Two failed checks 5 s apart with 3 s time-out: never before the second can have failed.
    assert 5 <= result.rto_phases["detect"] <= 30
    assert (result.objective_met, result.restored, result.evidence) == (True, True, "rehearsed")
    assert 0 < result.requests["failed"] <= load.counts().failed + 5
    assert result.requests["sent"] > 1000
    failing = [sample.seconds for sample in load.samples() if sample.failed]
    assert failing[-1] - failing[0] <= result.rto_phases["detect"] + 10  # users suffer until it is noticed, not longer
    assert_whole(cluster, plan)
    new = {
        host.id: host.address
        for host in cluster.hosts.group("web").hosts
        if host not in plan.before.groups["web"].hosts
    }
    for host, address in new.items():
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as page:
            assert page.read().decode() == host


@pytest.mark.parametrize("after", ["started lose", pytest.param("finished launch", marks=pytest.mark.soak)])
def test_kill_9_of_the_drill_is_put_right_by_recover(cluster: DrillCluster, journal: Journal, after: str) -> None:
    plan = a_plan(cluster)
    command = [sys.executable, "-c", SCRIPT, str(cluster.workspace.fleet_file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(json.dumps(plan.to_json()))
        process.stdin.close()
        for line in process.stdout:
            # The first look after the fault tells that the fault was made.
            if line.strip() == ("noted lose" if after == "started lose" else after):
                os.kill(process.pid, signal.SIGKILL)
                break
        process.wait()
    (row,) = [row for row in drill.unfinished(journal) if row.interrupted]
    events = drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=cluster.hands)
    result = result_of(events)
    assert result.restored
    assert journal.run(row.id).state == "recovered"
    assert Leases(journal.engine).held() == []
    assert_whole(cluster, plan)
