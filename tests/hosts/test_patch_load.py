"""A whole cycle, reboots included, under 300 requests a second on kept connections: none fails, none waits for it.

Latencies are compared in one run: those of the cycle with those before it. Here load, balancer and all hosts share a
few processors, so that a converge on one host slows its neighbours as it never would on machines of their own. That is
no matter of drains and reboots: before the cycle two hosts that serve converge too, and the slower of idle and busy
seconds is what the cycle is held to. What else runs on the machine comes and goes; so it is the level of the seconds'
p99 that is held, by median and upper quartile, rather than the one worst second, and a page beside the cluster, which
is never patched, tells how much slower the machine itself answers meanwhile.
"""

from __future__ import annotations

import itertools
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from quartermaster.fleet.events import Event, StepFinished
from quartermaster.fleet.load import Load, Sample
from quartermaster.playbooks import patch_run
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_result import PatchResult, outcome
from quartermaster.playbooks.patch_run import Tools
from tests.hosts.local_cluster import wait
from tests.hosts.patch_cluster import NAME, PatchCluster, patch_cluster

pytestmark = pytest.mark.hosts

RATE = 300.0
IDLE_SECONDS = 8.0
REBOOT = {"postinst": "#!/bin/sh\ntouch /run/reboot-required\n"}
GRAIN_MS = 2.0
"""Answers take 1 ms: what a processor's time slice may add to them."""
CHECK = (
    "cd /opt/ops/bundles/current && ansible-playbook -i localhost, -c local site.yml --check -e cluster=web -e role=web"
)


@pytest.fixture(scope="module")
def cluster(patched: PatchCluster) -> PatchCluster:
    patched.resize(6)
    return patched


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatchCluster]:
    with patch_cluster(tmp_path_factory.mktemp("load12"), count=12) as made:
        made.file.write_text(made.file.read_text().replace("wave: 2", "wave: 100%").replace("max: 12", "max: 13"))
        yield made


def balance(cluster: PatchCluster, algorithm: str) -> None:
    elb = cluster.cloud.client("elbv2")
    arn = elb.describe_target_groups(Names=[NAME])["TargetGroups"][0]["TargetGroupArn"]
    wanted = [{"Key": "load_balancing.algorithm.type", "Value": algorithm}]
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=wanted)


class Seconds:
    """The seconds of a load, by what went on meanwhile."""

    def __init__(self, load: Load) -> None:
        self.samples = load.samples
        self.ends = [2]
        """Of its parts: the idle one, the busy one, the cycle."""

    @property
    def parts(self) -> list[Sequence[Sample]]:
        samples = self.samples()
        return [samples[a:b] for a, b in itertools.pairwise(self.ends)]

    def p99(self, quartile: int) -> tuple[float, float]:
        """That quartile of the seconds' p99, ms: of the slower of idle and busy ones, and of the cycle's."""
        idle, busy, cycle = (
            statistics.quantiles([1000 * sample.p99_seconds for sample in part], n=4)[quartile] for part in self.parts
        )
        return max(idle, busy), cycle


@contextmanager
def beside() -> Iterator[str]:
    """A page that no cluster serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "index.html").write_text("page")
        words = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "--directory", folder]
        with subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
            try:
                wait(answers)
                yield f"http://127.0.0.1:{port}/"
            finally:
                server.kill()


def over(*loads: Seconds) -> None:
    """A part is over."""
    for one in loads:
        one.ends.append(len(one.samples()))


def under_load(
    cluster: PatchCluster, events: Callable[[PatchPlan, Tools], Iterator[Event]]
) -> tuple[PatchResult, Seconds, Seconds]:
    """What the cycle came to, the load's seconds and those beside it. Not one request to the cluster failed."""
    plan, tools = cluster.plan(), cluster.tools()
    with (
        beside() as page,
        Load(page, rate_per_second=RATE / 10, connections=4) as other,
        Load(f"{cluster.url}/page/", rate_per_second=RATE, connections=32) as load,
    ):
        seen, control = Seconds(load), Seconds(other)
        time.sleep(IDLE_SECONDS)
        over(seen, control)
        converge(cluster)
        over(seen, control)
        result = outcome(told(events(plan, tools)), run="patch-load")
        over(seen, control)
        starved = waited_for_a_processor(load)
    samples = load.samples()
    print(f"the load waited {starved:.1f} s of {samples[-1].seconds:.0f} s for a processor")  # noqa: T201
    assert sum(sample.failed for sample in samples) == 0, [sample.failures for sample in samples if sample.failed]
    return result, seen, control


def waited_for_a_processor(load: Load) -> float:
    """For how many seconds the load was kept from running: what is late or lost in them, the machine has done."""
    assert load._child is not None
    return int(Path(f"/proc/{load._child.pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def converge(cluster: PatchCluster) -> None:
    """Let two hosts that serve see what a converge would change."""
    hosts = [host.id for host in cluster.hosts.group("web").hosts[:2]]
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda host_id: cluster.on(host_id, f"({CHECK}) >/dev/null 2>&1; echo $?"), hosts))
    assert ended == ["0", "0"]


def told(events: Iterator[Event]) -> Iterator[Event]:
    """The events, each also on stdout: what a failing test shows."""
    for event in events:
        print(event.kind, event.step, event.host, getattr(event, "error", ""), getattr(event, "seconds", ""))  # noqa: T201
        yield event


def hold(seen: Seconds, control: Seconds) -> None:
    """The bar: 300 requests a second were sent all the while, and p99 stayed below twice that of before.

    Before is taken as slow as the machine is meanwhile, by the page beside the cluster.
    """
    cycle = seen.parts[-1]
    assert sum(sample.sent for sample in cycle) > 0.95 * RATE * len(cycle)
    for quartile in (1, 2):
        (before, during), (calm, crowded) = seen.p99(quartile), control.p99(quartile)
        slower = max(1.0, (crowded + GRAIN_MS) / (calm + GRAIN_MS))
        print(  # noqa: T201
            f"p99, quartile {quartile + 1}: before {before:.1f} ms, cycle {during:.1f} ms; beside the cluster"
            f" {calm:.1f} ms and {crowded:.1f} ms"
        )
        assert during <= 2 * before * slower + GRAIN_MS


def test_a_cycle_with_reboots_fails_and_slows_no_request(cluster: PatchCluster) -> None:
    balance(cluster, "least_outstanding_requests")
    version = cluster.release(scripts=REBOOT)
    before = cluster.hosts.group("web")
    boots = {host.id: cluster.on(host.id, "cat /proc/sys/kernel/random/boot_id") for host in before.hosts}
    result, seen, control = under_load(cluster, lambda plan, tools: patch_run.run(plan, "patch-load-a", tools))
    assert {host.state for host in result.hosts} == {"patched"}, asdict(result)
    assert result.requests.failed == 0
    assert cluster.hosts.group("web") == before
    for host in before.hosts:
        assert cluster.on(host.id, "cat /srv/www/page/index.html") == f"page {version}"
        assert cluster.on(host.id, "cat /proc/sys/kernel/random/boot_id") != boots[host.id]
    hold(seen, control)


def test_a_host_launched_after_the_canary_comes_with_its_packages_and_added_hosts_go(cluster: PatchCluster) -> None:
    """Round robin, a host added for the run, and one that its group launches meanwhile, while a newer page is out."""
    balance(cluster, "round_robin")
    version = cluster.release()
    before = cluster.hosts.group("web")
    added: list[str] = []

    def run(plan: PatchPlan, tools: Tools) -> Iterator[Event]:
        for event in patch_run.run(replace(plan, prescale=1), "patch-load-b", tools):
            yield event
            if isinstance(event, StepFinished) and event.step == "prescale":
                added.extend(event.detail["hosts"])
            if isinstance(event, StepFinished) and event.step == "pins":
                cluster.release()
                group = cluster.hosts.group("web")
                cluster.hosts.set_desired(group, group.desired + 1)

    result, seen, control = under_load(cluster, run)
    assert {host.state for host in result.hosts} == {"patched"}, asdict(result)
    cluster.await_serving(7)
    after = cluster.hosts.group("web")
    launched = {host.id for host in after.hosts} - {host.id for host in before.hosts}
    assert len(added) == len(launched) == 1 and launched.isdisjoint(added)
    assert {cluster.on(host.id, "cat /srv/www/page/index.html") for host in after.hosts} == {f"page {version}"}
    for host_id in launched:
        cluster.hosts.terminate(host_id, replaced=False)
    hold(seen, control)


@pytest.mark.soak
@pytest.mark.parametrize("algorithm", ["least_outstanding_requests", "round_robin", "weighted_random"])
def test_twelve_hosts_by_every_algorithm(twelve: PatchCluster, algorithm: str) -> None:
    balance(twelve, algorithm)
    twelve.offer(f"2.{int(time.time())}", scripts=REBOOT)
    result, seen, control = under_load(twelve, lambda plan, tools: patch_run.run(plan, f"patch-{algorithm}", tools))
    assert {host.state for host in result.hosts} == {"patched"}, asdict(result)
    hold(seen, control)
