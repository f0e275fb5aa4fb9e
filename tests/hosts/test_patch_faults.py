"""Every fault that a patch cycle can meet, made on real hosts under load: nobody's request fails, and nothing stays."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from quartermaster.fleet.events import Event, StepFailed, StepStarted
from quartermaster.fleet.hosts import Group
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.load import Load
from quartermaster.playbooks import patch_run
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_recover import recover
from quartermaster.playbooks.patch_result import HostResult, PatchResult, outcome
from tests.hosts.local_cluster import wait
from tests.hosts.patch_cluster import PatchCluster
from tests.hosts.patch_faults import FAULTS, LIMITS, Fault, Scene

pytestmark = pytest.mark.hosts

TABLE = [pytest.param(row, id=row.name, marks=[pytest.mark.soak] if row.soak else []) for row in FAULTS]


@pytest.fixture(scope="module")
def cluster(patched: PatchCluster) -> PatchCluster:
    patched.resize(5, floor=2)
    return patched


@pytest.mark.parametrize("fault", TABLE)
def test_a_fault_costs_no_request_and_leaves_nothing_behind(cluster: PatchCluster, fault: Fault) -> None:
    scene, plan = _planned(cluster, fault)
    before = cluster.hosts.group("web")
    journal = Journal.open(cluster.workspace.database)
    with Load(f"{cluster.url}/page/", rate_per_second=30, connections=6) as load:
        wait(lambda: load.counts().sent)
        try:
            result = _carried_out(scene, fault, plan, journal)
            left, counts = cluster.hosts.group("web"), load.counts()
        finally:
            fault.heal(scene)
    if fault.left.endswith("Standby") or result.state == "stopped":
        again = journal.resume(result.run)
        list(again.record(recover(_events(journal, result.run), **_hands(cluster))))
        again.finish("recovered")
    cluster.await_serving(cluster.hosts.group("web").desired)
    after = cluster.hosts.group("web")

    assert result.state == fault.ends
    assert _host(result, scene.host).state == fault.state
    assert re.search(fault.why, _told(journal, result.run, scene.host), re.DOTALL)
    assert counts.sent and max(counts.failed, result.requests.failed) <= fault.failed, counts
    assert _place(left, scene.host) == fault.left
    assert all(host.serving for host in left.hosts if host.id in {h.id for h in before.hosts} - {scene.host})
    for then in (left, after):
        assert (then.suspended, then.min) == (before.suspended, before.min)
    if fault.ends != "stopped":  # a refresh takes whom it likes
        gone = {host.id for host in before.hosts} - {host.id for host in after.hosts}
        assert gone <= {scene.host}
        assert gone or after == before


def _planned(cluster: PatchCluster, fault: Fault) -> tuple[Scene, PatchPlan]:
    """A new version is offered and planned: for the canary, and where another is struck, for that one after it."""
    version = cluster.release(scripts=fault.scripts, files=fault.files)
    plan = cluster.plan()
    waves = plan.waves[:1] if fault.strikes == "canary" else plan.waves[:2]
    waves = tuple(replace(wave, hosts=wave.hosts[:1]) for wave in waves)
    return Scene(cluster, waves[-1].hosts[0], version), replace(plan, waves=waves)


def _carried_out(scene: Scene, fault: Fault, plan: PatchPlan, journal: Journal) -> PatchResult:
    """The run, its fault made at its time; each event is in the journal before."""
    where = (fault.at, scene.host) if fault.at else ("drain", plan.waves[0].hosts[0])
    if not fault.at and fault.strikes == "canary":
        fault.inject(scene)
        where = ("", "")
    run = journal.start("patch", stack="dev", subject="web")
    for event in run.record(patch_run.run(plan, run.id, scene.cluster.tools(fault.limits))):
        print(event.kind, event.step, event.host, getattr(event, "error", ""), getattr(event, "seconds", ""))  # noqa: T201
        if isinstance(event, StepStarted) and (event.step, event.host) == where:
            fault.inject(scene)
    result = outcome(_events(journal, run.id), run=run.id)
    run.finish(result.state)
    return result


def _hands(cluster: PatchCluster) -> dict[str, object]:
    tools = cluster.tools(LIMITS)
    return {"world": tools.world, "machines": tools.machines, "pins": tools.pins, "limits": LIMITS}


def _events(journal: Journal, run: str) -> list[Event]:
    return [row.event for row in journal.events(run)]


def _told(journal: Journal, run: str, host: str) -> str:
    """What the journal tells of a host's end."""
    rows = [row for row in _events(journal, run) if row.step == "host" and row.host == host]
    return rows[-1].error if rows and isinstance(rows[-1], StepFailed) else ""


def _host(result: PatchResult, host: str) -> HostResult:
    return next(row for row in result.hosts if row.id == host)


def _place(group: Group, host: str) -> str:
    found = next((found for found in group.hosts if found.id == host), None)
    if found is None or found.lifecycle.startswith("Terminating"):
        return "gone"
    return "serving" if found.serving else found.lifecycle
