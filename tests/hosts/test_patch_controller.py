"""The controller killed at the journal's boundaries: what resume and recover make of it on real hosts."""

from __future__ import annotations

import json
import signal

import pytest

from quartermaster.fleet.events import Event
from quartermaster.fleet.hosts import Group
from quartermaster.fleet.journal import Journal
from quartermaster.playbooks.patch_recover import recover
from quartermaster.playbooks.patch_result import PatchResult, outcome
from tests.hosts.apart import apart
from tests.hosts.patch_cluster import PatchCluster

pytestmark = pytest.mark.hosts

REBOOT = {"postinst": "#!/bin/sh\ntouch /run/reboot-required\n"}
STEPS = ("started:standby", "finished:drain", "started:upgrade", "started:reboot", "started:return")
PARTS = 6
"""Runs over which the kills at every boundary are spread: some 15 each."""


@pytest.fixture(scope="module")
def cluster(patched: PatchCluster) -> PatchCluster:
    patched.resize(3)
    return patched


class Cycle:
    """A version that is offered, and how often each host took it and booted since."""

    def __init__(self, cluster: PatchCluster) -> None:
        self.cluster, self.version = cluster, cluster.release(scripts=REBOOT)
        self.before = cluster.hosts.group("web")
        self._boots = self._booted()

    def driven(self, last: str = "") -> int:
        """Run or resume in a process until it kills itself after the event ``last``; its exit status."""
        with apart("patch_driver", self.cluster.file, last) as child:
            child.communicate()
        return child.returncode

    def recovered(self) -> Group:
        journal, run = self._last()
        tools = self.cluster.tools()
        again = journal.resume(run)
        past = self._events(journal, run)
        list(again.record(recover(past, world=tools.world, machines=tools.machines, pins=tools.pins)))
        again.finish("recovered")
        self.cluster.await_serving(len(self.before.hosts))
        return self.cluster.hosts.group("web")

    def result(self) -> PatchResult:
        journal, run = self._last()
        return outcome(self._events(journal, run), run=run)

    def done(self) -> dict[str, tuple[int, int]]:
        """Host to how often it upgraded to the version and rebooted."""
        count = f"grep -c 'upgrade shop-page:all .* {self.version}$' /var/log/dpkg.log"
        booted = self._booted()
        return {host: (int(self.cluster.on(host, count)), booted[host] - self._boots[host]) for host in booted}

    def _booted(self) -> dict[str, int]:
        folder = self.cluster.workspace.folder("local") / "hosts"
        ids = [host.id for host in self.cluster.hosts.group("web").hosts]
        return {host: json.loads((folder / host / "state").read_text(encoding="utf-8"))["boots"] for host in ids}

    def _last(self) -> tuple[Journal, str]:
        journal = Journal.open(self.cluster.workspace.database)
        return journal, journal.runs("patch")[0].id

    @staticmethod
    def _events(journal: Journal, run: str) -> list[Event]:
        return [row.event for row in journal.events(run)]


def assert_done_once(cycle: Cycle) -> None:
    """Everybody patched and rebooted once, nobody left out of service, nothing suspended or lowered."""
    result = cycle.result()
    assert (result.state, {host.state for host in result.hosts}) == ("done", {"patched"})
    assert set(cycle.done().values()) == {(1, 1)}
    assert cycle.cluster.hosts.group("web") == cycle.before


def test_killed_at_the_first_a_middle_and_the_last_event_a_run_is_done_once(cluster: PatchCluster) -> None:
    cycle = Cycle(cluster)
    for last in ("started:patch", "started:reboot", "finished:patch"):
        assert cycle.driven(last) == -signal.SIGKILL
    assert cycle.driven() == 0
    assert_done_once(cycle)


def test_killed_amid_a_host_a_run_is_put_back_by_recover(cluster: PatchCluster) -> None:
    cycle = Cycle(cluster)
    assert cycle.driven("started:converge") == -signal.SIGKILL
    assert cycle.recovered() == cycle.before
    assert sorted(host.state for host in cycle.result().hosts) == ["patched", "pending", "pending"]
    assert sorted(cycle.done().values()) == [(0, 0), (0, 0), (1, 1)]


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_boundary_a_run_is_done_once(cluster: PatchCluster, part: int) -> None:
    """All parts together: a kill after every event that a run writes down, each a new one for its resume."""
    cycle, kills = Cycle(cluster), 0
    while (status := cycle.driven(f"{part}/{PARTS}")) == -signal.SIGKILL:
        kills += 1
    assert status == 0 and kills > 8
    assert_done_once(cycle)


@pytest.mark.soak
@pytest.mark.parametrize("where", STEPS)
def test_killed_at_any_step_a_run_is_put_back_by_recover(cluster: PatchCluster, where: str) -> None:
    cycle = Cycle(cluster)
    assert cycle.driven(where) == -signal.SIGKILL
    assert cycle.recovered() == cycle.before
    assert all(times <= 1 for done in cycle.done().values() for times in done)
