"""A replacement over groups of the local cloud, on a clock that stands until it is turned: no host is started."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import GuardRefused, OpsError, Stopped
from quartermaster.fleet.events import Event, StepStarted, from_record, to_record
from quartermaster.fleet.hosts import Hosts, Requests
from quartermaster.fleet.names import tags
from quartermaster.playbooks import replace, replace_run
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.patch_result import PatchResult
from quartermaster.playbooks.replace_past import Past, outcome
from quartermaster.playbooks.replace_plan import ReplacePlan
from quartermaster.playbooks.replace_run import Tools
from quartermaster.playbooks.replace_world import CloudRefreshes
from tests.local.clockwork import Clockwork, clockwork
from tests.playbooks.fakes import FakeCounter, fleet, until


class _Session:
    def __init__(self, cloud: Clockwork) -> None:
        self._cloud = cloud

    def client(self, service: str, **_where: Any) -> Any:
        return self._cloud.client(service)


@dataclass
class Bench:
    """Cluster ``web`` of three hosts of version 1 of a template whose newest is 2, and its clock."""

    cloud: Clockwork
    counter: FakeCounter = field(default_factory=FakeCounter)
    asked: Callable[[], str] = lambda: ""
    each_turn: Callable[[], None] = lambda: None

    @property
    def world(self) -> CloudRefreshes:
        cloud = Cloud("shop", "dev", "local", "eu-west-1", _Session(self.cloud))
        return CloudRefreshes(cloud, Hosts(cloud), "web")

    def now(self) -> datetime:
        return datetime(2030, 1, 6, 1, tzinfo=UTC) + timedelta(seconds=self.cloud.seconds)  # a Sunday

    def sleep(self, seconds: float) -> None:
        self.cloud.turn(seconds)
        self.each_turn()

    def plan(self, *, old_bundles: Iterable[str] = (), **policy: Any) -> ReplacePlan:
        policy = {"method": "replace", "canary": 1, "wave": 2, **policy}
        world = self.world
        known: dict[str, Any] = {"history": world.history()}
        known["surveys"] = dict.fromkeys(old_bundles, Survey(bundle="ab" * 32))
        return replace.plan(world.group(), fleet(**policy), world.launched(), self.now(), **known)

    def protected(self) -> list[str]:
        return sorted(self.world.launched().protected)

    @property
    def tools(self) -> Tools:
        return Tools(self.world, self.counter, clock=self, asked=lambda: self.asked(), poll_seconds=5)

    @property
    def status(self) -> str:
        return self.world.history()[0].status

    @property
    def version(self) -> str:
        return str(self.cloud.group()["LaunchTemplate"]["Version"])

    def serving(self) -> list[str]:
        return sorted(self.cloud.serving().values())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with clockwork(tmp_path) as cloud:
        own, whose = tags("shop", "dev", "web").items(), {"ResourceId": "web", "ResourceType": "auto-scaling-group"}
        cloud.client("autoscaling").create_or_update_tags(
            Tags=[{**whose, "Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in own]
        )
        cloud.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="web", DefaultInstanceWarmup=0)
        yield Bench(cloud)


def came_to(events: Iterable[Event]) -> PatchResult:
    return outcome(events, run="r")


def journalled(events: Iterator[Event]) -> list[Event]:
    return [from_record(json.loads(json.dumps(to_record(event)))) for event in events]


def test_all_hosts_are_replaced_the_canary_first_and_the_gate_is_asked(bench: Bench) -> None:
    before = set(bench.cloud.serving())
    counts: list[list[str]] = []
    bench.each_turn = lambda: counts.append(bench.serving())
    events = journalled(replace_run.run(bench.plan(), bench.tools))
    found = came_to(events)
    assert (found.state, bench.serving(), bench.version) == ("done", ["2"] * 3, "2")
    assert {(host.id, host.state, host.old, host.new) for host in found.hosts} == {
        (host, "replaced", "1 ami-0deb12a4d64000001", "2 ami-0deb12a4d64000001") for host in before
    }
    assert {host.why.split()[0] for host in found.hosts} == set(bench.cloud.serving())
    assert found.requests.sent > 0
    gates = [event.step for event in events if event.step.startswith("gate:")]
    assert gates == ["gate:1", "gate:1", "gate:2", "gate:2"]
    assert counts.count(["1", "1", "2"]) >= 2  # the canary alone, for the checkpoint's delay
    assert min(map(len, counts)) == 2  # one at a time: with a zone lost, one is left


def test_a_shut_gate_brings_the_old_version_back(bench: Bench) -> None:
    bench.counter.each = Requests(1000, 500)
    events = journalled(replace_run.run(bench.plan(), bench.tools))
    found = came_to(events)
    assert (found.state, bench.status, bench.version) == ("failed", "RollbackSuccessful", "1")
    assert bench.serving() == ["1"] * 3
    assert sorted(host.state for host in found.hosts) == ["pending", "pending", "rolled_back"]
    assert "gate after stage 1" in found.hosts[0].why


def test_missing_counts_never_open_the_gate(bench: Bench) -> None:
    bench.counter.each = None
    found = came_to(replace_run.run(bench.plan(), bench.tools))
    assert (found.state, bench.serving()) == ("failed", ["1"] * 3)


def test_hosts_that_never_serve_spend_the_budget_and_send_it_back(bench: Bench) -> None:
    def break_new() -> None:
        ec2 = bench.cloud.client("ec2")
        for member in bench.cloud.group()["Instances"]:
            if member["LaunchTemplate"]["Version"] == "2" and member["LifecycleState"] == "Pending":
                ec2.terminate_instances(InstanceIds=[member["InstanceId"]])

    bench.each_turn = break_new
    events = journalled(replace_run.run(bench.plan(max_failures=1), bench.tools))
    found = came_to(events)
    assert (found.state, bench.serving(), bench.version) == ("failed", ["1"] * 3, "1")
    assert len(Past.of(events).failed) >= 2
    assert "never served" in found.hosts[0].why


def test_a_group_that_names_the_new_version_already_has_a_way_back(bench: Bench) -> None:
    bench.world.name_version("2")  # as `up` leaves it
    bench.counter.each = Requests(1000, 500)
    found = came_to(replace_run.run(bench.plan(), bench.tools))
    assert (found.state, bench.serving(), bench.version) == ("failed", ["1"] * 3, "1")


def test_a_group_that_follows_the_newest_version_does_so_again_afterwards(bench: Bench) -> None:
    bench.world.name_version("$Latest")
    came_to(replace_run.run(bench.plan(), bench.tools))
    assert (bench.serving(), bench.version) == (["2"] * 3, "$Latest")


def test_what_the_window_leaves_is_done_in_the_next_one(bench: Bench) -> None:
    plan = dataclasses.replace(bench.plan(), ends_at=bench.now() + timedelta(seconds=12))
    past = journalled(replace_run.run(plan, bench.tools))
    found = came_to(past)
    assert (found.state, bench.status) == ("stopped", "Cancelled")
    assert any("window ended" in host.why for host in found.hosts)
    assert bench.serving() == ["1", "1", "2"]
    more = journalled(replace_run.resume(past, bench.tools, ends_at=plan.ends_at))  # still the same one
    assert (came_to([*past, *more]).state, len(bench.world.history())) == ("stopped", 1)
    more += journalled(replace_run.resume([*past, *more], bench.tools))
    assert (came_to([*past, *more]).state, bench.serving()) == ("done", ["2"] * 3)


def test_pause_cancels_and_resume_replaces_the_rest(bench: Bench) -> None:
    bench.asked = lambda: "pause" if "2" in bench.serving() else ""
    past = journalled(replace_run.run(bench.plan(), bench.tools))
    assert (came_to(past).state, bench.serving()) == ("stopped", ["1", "1", "2"])
    bench.asked = lambda: ""
    more = journalled(replace_run.resume(past, bench.tools))
    found = came_to([*past, *more])
    assert (found.state, bench.serving()) == ("done", ["2"] * 3)
    assert {host.state for host in found.hosts} == {"replaced"}
    assert [row.status for row in bench.world.history()] == ["Successful", "Cancelled"]


@pytest.fixture
def newest(bench: Bench) -> Bench:
    """The bench with all its hosts of the newest version."""
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[bench.cloud.world.account]["eu-west-1"]
    next(iter(backend.launch_templates.values())).versions.pop()
    assert set(bench.serving()) == {bench.world.launched().latest} == {"1"}
    return bench


def test_a_stopped_replacement_of_old_bundles_replaces_no_host_twice(newest: Bench) -> None:
    old = set(newest.cloud.serving())
    newest.asked = lambda: "pause" if old - set(newest.cloud.serving()) and len(newest.serving()) == 3 else ""
    past = journalled(replace_run.run(newest.plan(old_bundles=old), newest.tools))
    first = set(newest.cloud.serving()) - old
    assert (came_to(past).state, len(first), newest.protected()) == ("stopped", 1, [])
    newest.asked = lambda: ""
    more = journalled(replace_run.resume(past, newest.tools))
    assert came_to([*past, *more]).state == "done"
    now = set(newest.cloud.serving())
    assert first < now and not old & now
    assert newest.protected() == []


def test_a_replacement_of_old_bundles_killed_at_every_boundary_leaves_the_others_as_they_were(newest: Bench) -> None:
    stays, other, *old = sorted(newest.cloud.serving())
    newest.world.protect([other], on=True)
    past = journalled(iter(until(replace_run.run(newest.plan(old_bundles=old), newest.tools), 1)))
    for _ in range(200):
        past += journalled(iter(until(replace_run.resume(past, newest.tools), 2)))
        newest.cloud.turn(1)
        if past[-1].step == "replace" and not isinstance(past[-1], StepStarted):
            break
    if came_to(past).state == "running":
        past += journalled(replace_run.resume(past, newest.tools))
    assert (came_to(past).state, newest.protected()) == ("done", [other])
    assert [row.status for row in newest.world.history()] == ["Successful"]
    assert {stays, other} == set(newest.cloud.serving()) - {host.by for host in Past.of(past).replaced.values()}


def test_recover_lets_go_of_the_hosts_that_were_kept(newest: Bench) -> None:
    stays, *old = sorted(newest.cloud.serving())
    past = until(replace_run.run(newest.plan(old_bundles=old), newest.tools), 8)
    assert ([event.step for event in past][-1], newest.protected()) == ("refresh", [stays])
    past += journalled(replace_run.recover(past, newest.tools))
    assert (newest.protected(), came_to(past).state) == ([], "recovered")


def test_abort_brings_the_old_version_back(bench: Bench) -> None:
    bench.asked = lambda: "abort" if "2" in bench.serving() else ""
    found = came_to(replace_run.run(bench.plan(), bench.tools))
    assert (found.state, bench.serving()) == ("aborted", ["1"] * 3)


def test_a_kill_at_every_boundary_starts_one_refresh_only(bench: Bench) -> None:
    """Between each event and the act after it the controller is gone; the next one goes on from the journal."""
    plan = bench.plan()
    past = journalled(iter(until(replace_run.run(plan, bench.tools), 1)))
    for _ in range(200):
        step = until(replace_run.resume(past, bench.tools), 2)  # its start, and one event more
        past += journalled(iter(step))
        bench.cloud.turn(1)
        if past[-1].step == "replace" and not isinstance(past[-1], StepStarted):
            break
    if came_to(past).state == "running":
        past += journalled(replace_run.resume(past, bench.tools))
    assert (came_to(past).state, bench.serving()) == ("done", ["2"] * 3)
    assert [row.status for row in bench.world.history()] == ["Successful"]


def test_a_start_whose_answer_was_lost_is_followed_and_not_repeated(bench: Bench) -> None:
    events = replace_run.run(bench.plan(), bench.tools)
    past = []
    for event in events:
        past.append(event)
        if event.step == "start" and not isinstance(event, StepStarted):
            past.pop()  # the call was made, and its answer never written down
            break
    more = journalled(replace_run.resume(journalled(iter(past)), bench.tools))
    assert came_to([*past, *more]).state == "done"
    assert len(bench.world.history()) == 1


def test_recover_cancels_and_puts_the_groups_version_back(bench: Bench) -> None:
    bench.world.name_version("2")
    past = []
    for event in replace_run.run(bench.plan(), bench.tools):
        past.append(event)
        if event.step == "refresh" and "33 %" in getattr(event, "message", ""):
            break
    assert bench.version == "1"
    past += journalled(replace_run.recover(past, bench.tools))
    assert (bench.status, bench.version, came_to(past).state) == ("Cancelled", "2", "recovered")
    assert journalled(replace_run.recover(past, bench.tools))[-1].step == "recover"  # twice is once


def test_a_world_that_moved_since_the_plan_is_refused_untouched(bench: Bench) -> None:
    plan = bench.plan()
    bench.cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    bench.cloud.turn(30)
    events = replace_run.run(plan, bench.tools)
    seen = []
    with pytest.raises(GuardRefused, match="is new"):
        seen += list(events)
    assert bench.world.history() == ()


def test_hosts_that_are_no_longer_spread_evenly_are_not_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, group = bench.plan(), bench.world.group()
    together = tuple(dataclasses.replace(host, zone=group.zones[0]) for host in group.hosts)
    monkeypatch.setattr(CloudRefreshes, "group", lambda _world: dataclasses.replace(group, hosts=together))
    with pytest.raises(GuardRefused, match="not spread evenly"):
        list(replace_run.run(plan, bench.tools))
    assert bench.world.history() == ()


def test_a_cloud_that_refuses_in_the_middle_leaves_a_run_to_resume(bench: Bench) -> None:
    calls = iter([None, OpsError("expired login")])

    def asked() -> str:
        if error := next(calls, None):
            raise error
        return ""

    bench.asked, past = asked, []
    with pytest.raises(Stopped, match="expired login"):
        for event in replace_run.run(bench.plan(), bench.tools):
            past.append(event)
    bench.asked = lambda: ""
    past += journalled(replace_run.resume(journalled(iter(past)), bench.tools))
    assert (came_to(past).state, len(bench.world.history())) == ("done", 1)
