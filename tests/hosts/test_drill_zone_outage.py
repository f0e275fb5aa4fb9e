"""A zone with real hosts, a balancer's leg and the primary of a real PostgreSQL is cut off under load, and healed."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Callable, Generator, Iterator

import pytest

from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.load import Load
from quartermaster.fleet.objectives import detection_seconds, earliest_detection_seconds
from quartermaster.infra.local import client
from quartermaster.runbooks import drill
from quartermaster.runbooks.document import PHASES
from quartermaster.runbooks.evidence import DrillResult
from tests.hosts.drill_cluster import DrillCluster, drill_cluster
from tests.hosts.drilled import ORDERS, result_of
from tests.hosts.local_cluster import wait

pytestmark = pytest.mark.hosts

BUSY_SECONDS = 3
"""Of lateness: the load tells whole seconds, and this machine runs hosts, balancer and load on a few cores."""
FEW, MANY = 6, 9
"""Hosts in three zones: in every run, and in the soak."""
CONNECT_SECONDS = 10
"""For so long a balancer tries to reach a target:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillCluster]:
    with drill_cluster(tmp_path_factory.mktemp("zones"), timing="instant", hosts=FEW, database=True) as found:
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillCluster]:
    with drill_cluster(tmp_path_factory.mktemp("large"), timing="instant", hosts=MANY, database=True) as found:
        yield found


def outage(cluster: DrillCluster, *, killed: bool = False) -> DrillResult:
    """One outage under load: what it measured. Requests failed only while the balancer could not know.

    ``killed``: in a process that dies once its last event is written down, and recovered.
    """
    journal, plan = Journal.open(cluster.workspace.database), cluster.plan("zone_outage")
    assert plan.loss.databases == ("orders",)
    (legs,) = (row["addresses"] for row in client.status(cluster.workspace)["balancers"])
    lost = legs.pop(plan.zone)
    # Users whose name server led them to a leg that lives: what the others meet, DNS ends.
    with Load(f"http://{min(legs.values())}/", rate_per_second=40, connections=8) as load:
        if killed:
            cluster.killed(plan, "noted measured")
            result = cluster.recovered()
        else:
            events = drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=cluster.hands)
            result = result_of(looking(events, lambda: assert_silent(cluster, lost)))
        seen = load.samples()
    assert answers(lost)
    assert (result.restored, result.failed == "", result.evidence) == (True, not killed, "rehearsed")
    assert tuple(result.rto_phases) == PHASES
    assert result.rto_seconds == pytest.approx(sum(result.rto_phases.values()), abs=0.01)
    assert result.objective_met is True
    # The drill's word for it, the lint's prediction, and what users saw.
    balancer = cluster.fleet.clusters["web"].balancer
    assert balancer is not None
    predicted, earliest = detection_seconds(balancer), earliest_detection_seconds(balancer)
    detected = result.detail["subjects"]["web"]["rto_phases"]["detect"]
    assert earliest / 1.25 - result.resolution_seconds <= detected <= 1.25 * predicted + BUSY_SECONDS
    assert result.failing_seconds is not None
    assert result.failing_seconds[1] <= 1.25 * predicted + CONNECT_SECONDS + BUSY_SECONDS
    failing = [sample.seconds for sample in seen if sample.failed]
    assert failing
    assert (
        failing[-1] - failing[0] <= 1.25 * predicted + BUSY_SECONDS
    )  # each is told as late as the other: after the time-out
    # What was confirmed is there, and each subject has a time of its own.
    assert result.rpo_seconds == 0.0
    assert set(result.detail["subjects"]) == {"web", "orders"}
    assert all(found["objective_met"] for found in result.detail["subjects"].values())
    assert_whole(cluster)
    assert Leases(journal.engine).held() == []
    journal.engine.dispose()
    return result


def looking(
    events: Generator[Event, None, DrillResult], look: Callable[[], None]
) -> Generator[Event, None, DrillResult]:
    """The events; a look while the zone is away."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            assert isinstance(end.value, DrillResult)
            return end.value
        if event.kind == "finished" and event.step == "give_up":
            look()
        yield event


def assert_silent(cluster: DrillCluster, lost: str) -> None:
    """The zone's leg of the balancer is as dead as its hosts, and DNS answers with the others only."""
    assert not answers(lost)
    (row,) = client.status(cluster.workspace)["balancers"]
    assert sorted([*row["answered"], lost]) == sorted(row["addresses"].values())
    assert row["url"].removeprefix("http://") in row["answered"]


def answers(address: str) -> bool:
    """Whether something answers there."""
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=2):
            return True
    except OSError:
        return False


def assert_whole(cluster: DrillCluster) -> None:
    """As before: as many healthy hosts in each zone, all in the balancer, the primary with a streaming standby."""
    group, hosts = cluster.hosts.group("web"), cluster.fleet.clusters["web"].size.min
    assert Counter(host.zone for host in group.hosts if host.serving) == dict.fromkeys(group.zones, hosts // 3)
    assert len(group.hosts) == hosts
    wait(lambda: cluster.state.whole)
    status = client.status(cluster.workspace)
    assert status["failed_zones"] == []
    (row,) = (row for row in status["databases"] if row["name"] == ORDERS)
    assert row["standby"]["synchronous"]


def test_a_zone_is_lost_twice_under_load(cluster: DrillCluster, capsys: pytest.CaptureFixture[str]) -> None:
    results = [outage(cluster), outage(cluster, killed=True)]
    zones = [result.zone for result in results]
    assert zones[0] != zones[1]  # the primary moved to another zone, and there the second one struck
    tell(results, capsys)


SEEN: list[DrillResult] = []
"""Of the soak in this process: the spread is told over all of them."""


@pytest.mark.soak
@pytest.mark.parametrize("number", range(10))
def test_ten_outages_of_nine_hosts(large: DrillCluster, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    SEEN.append(outage(large))
    tell(SEEN, capsys)


def tell(results: list[DrillResult], capsys: pytest.CaptureFixture[str]) -> None:
    """The spread of what was measured, for whoever reads the run's output."""
    with capsys.disabled():
        for name in ("web", "orders"):
            seconds = [result.detail["subjects"][name]["rto_seconds"] for result in results]
            print(f"\n{name}: RTO {min(seconds):.1f} to {max(seconds):.1f} s in {len(seconds)} outages")  # noqa: T201
        detected = [result.detail["subjects"]["web"]["rto_phases"]["detect"] for result in results]
        print(f"noticed after {', '.join(f'{seconds:.1f}' for seconds in detected)} s")  # noqa: T201
        failed = [(result.requests["failed"], result.failing_seconds) for result in results]
        print(f"requests failed, and when: {failed}")  # noqa: T201


@pytest.mark.parametrize(
    "after",
    [
        "started steady_before",
        "noted cut_off",
        pytest.param("started cut_off", marks=pytest.mark.soak),
        pytest.param("finished cut_off", marks=pytest.mark.soak),
        pytest.param("finished give_up", marks=pytest.mark.soak),
        pytest.param("finished replace", marks=pytest.mark.soak),
        pytest.param("finished converge", marks=pytest.mark.soak),
        pytest.param("finished serve", marks=pytest.mark.soak),
        pytest.param("started as_before", marks=pytest.mark.soak),
        pytest.param("finished as_before", marks=pytest.mark.soak),
    ],
)
def test_kill_9_of_the_drill_is_put_right_by_recover(cluster: DrillCluster, after: str) -> None:
    cluster.killed(cluster.plan("zone_outage"), after)
    assert cluster.recovered().restored
    assert_whole(cluster)
