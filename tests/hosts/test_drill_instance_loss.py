"""The drill on real hosts, under load: a host loses its power, the group replaces it, and a kill -9 is put right."""

from __future__ import annotations

import urllib.request

import pytest

from quartermaster.fleet.load import Load, refusal
from quartermaster.runbooks.document import PHASES
from quartermaster.runbooks.plan import DrillPlan
from tests.hosts.drill_cluster import DrillCluster

pytestmark = pytest.mark.hosts


@pytest.fixture
def cluster(drilled: DrillCluster) -> DrillCluster:
    return drilled


def assert_whole(cluster: DrillCluster, plan: DrillPlan) -> None:
    cluster.await_serving(3)
    group = cluster.hosts.group("web")
    assert sorted(host.zone for host in group.hosts) == sorted(host.zone for host in plan.before.groups["web"].hosts)
    assert all(host.serving for host in group.hosts)


def test_only_the_balancer_may_be_loaded(cluster: DrillCluster) -> None:
    assert refusal(cluster.url) == ""
    assert "neither" in refusal("http://192.0.2.1/")


def test_a_lost_host_is_replaced_under_load_and_the_recovery_measured(cluster: DrillCluster) -> None:
    """By a drill that is killed right after the last line of its journal: what it measured stands."""
    plan = cluster.plan("instance_loss")
    with Load(cluster.url, rate_per_second=60, connections=8) as load:
        cluster.killed(plan, "finished stays")
        result = cluster.recovered()
    assert tuple(result.rto_phases) == PHASES
    assert result.rto_seconds == pytest.approx(sum(result.rto_phases.values()), abs=0.01)
    # Two failed checks 5 s apart with 3 s time-out: never before the second can have failed.
    assert 5 <= result.rto_phases["detect"] <= 60
    assert (result.objective_met, result.restored, result.evidence) == (True, True, "rehearsed")
    assert 0 < result.requests["failed"] <= load.counts().failed + 5
    assert result.requests["sent"] > 1000
    failing = [sample.seconds for sample in load.samples() if sample.failed]
    assert failing[-1] - failing[0] <= result.rto_phases["detect"] + 10  # users suffer until it is noticed, not longer
    assert_whole(cluster, plan)
    assert plan.host not in {host.id for host in cluster.hosts.group("web").hosts}
    new = {
        host.id: host.address
        for host in cluster.hosts.group("web").hosts
        if host not in plan.before.groups["web"].hosts
    }
    for host, address in new.items():
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as page:
            assert page.read().decode() == host


@pytest.mark.parametrize(
    "after",
    [
        "started steady_before",
        "noted lose",
        pytest.param("started lose", marks=pytest.mark.soak),
        pytest.param("finished lose", marks=pytest.mark.soak),
        pytest.param("finished launch", marks=pytest.mark.soak),
        pytest.param("finished whole", marks=pytest.mark.soak),
    ],
)
def test_kill_9_of_the_drill_is_put_right_by_recover(cluster: DrillCluster, after: str) -> None:
    plan = cluster.plan("instance_loss")
    cluster.killed(plan, after)
    assert cluster.recovered().restored
    assert_whole(cluster, plan)
