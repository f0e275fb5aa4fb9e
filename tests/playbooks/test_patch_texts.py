"""What users read of a host or a group that is no longer as a patch cycle needs it: in the result, and as an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, Stopped
from quartermaster.fleet.events import Event, StepFailed, StepStarted
from quartermaster.playbooks import replace_run
from quartermaster.playbooks.machine import Limits
from quartermaster.playbooks.patch_host import HostWork
from quartermaster.playbooks.patch_past import HostPast
from quartermaster.playbooks.patch_recover import recover
from quartermaster.playbooks.replace_plan import ReplacePlan
from quartermaster.playbooks.replace_world import Refresh
from tests.playbooks import fakes
from tests.playbooks.test_patch_run import Bench
from tests.playbooks.test_replace import launched, planned
from tests.runbooks.stubbed import Clock

HOST = "i-0"


class Heard(list[Event]):
    """What the work on a host says, with nobody to wait for."""

    def say(self, event: Event, *, reads: bool = False) -> None:
        self.append(event)

    def wait(self, seconds: float) -> None: ...


def seen(bench: Bench, **changed: str) -> None:
    """The host is so from now on."""
    hosts = tuple(replace(host, **changed) if host.id == HOST else host for host in bench.world.now.hosts)  # type: ignore[arg-type]
    bench.world.now = replace(bench.world.now, hosts=hosts)


def gone(bench: Bench, *, host_id: str = HOST) -> None:
    bench.world.now = replace(bench.world.now, hosts=tuple(h for h in bench.world.now.hosts if h.id != host_id))


def leaving(bench: Bench, lifecycle: str) -> None:
    """Who is to leave service comes to this, and no further."""
    bench.world.enter_standby = lambda _: seen(bench, lifecycle=lifecycle, health="draining")  # type: ignore[method-assign]


def ill(bench: Bench) -> None:
    """The balancer never finds it healthy again."""
    bench.world.exit_standby = lambda host: bench.world._move(host, "InService", "unhealthy", +1)  # type: ignore[method-assign]


def broken(bench: Bench, *orders: str, **work: Any) -> dict[str, Any]:
    """These fail on the host, and no new host comes."""
    bench.machines[HOST].breaks = orders
    bench.world.launches = False
    return work


@pytest.mark.parametrize(
    ("change", "state", "why"),
    [
        (
            lambda bench: seen(bench, health="unhealthy"),
            "failed",
            "host i-0 is InService and unhealthy (`ops status` says why)",
        ),
        (gone, "failed", "host i-0 is no longer in group shop-dev-web (plan again)"),
        (
            lambda bench: leaving(bench, "EnteringStandby"),
            "drained",
            "host i-0 was not drained in 0 s: EnteringStandby, draining (`ops status` says why); then it is left "
            "draining (once it is in Standby: ops patch recover web)",
        ),
        (
            lambda bench: leaving(bench, "Terminating:Wait"),
            "failed",
            "host i-0 is ended by its group and was to be drained: Terminating:Wait (read the "
            "activities of the group for the reason)",
        ),
        (
            ill,
            "drained",
            "host i-0 was not healthy at the balancer in 0 s: InService, unhealthy (`ops status` says why); then host "
            "i-0 was not healthy at the balancer in 0 s: InService, unhealthy (`ops status` says why); it is left "
            "drained, and not replaced: a new host would bring packages that no canary has passed with",
        ),
        (
            lambda bench: broken(bench, "health"),
            "rolled_back",
            "host i-0 is not healthy on itself: refused (read the service's log on the host)",
        ),
        (
            lambda bench: broken(bench, expected={"shop-page": "3.0"}),
            "rolled_back",
            "host i-0 came to shop-page=2.0 and the canary to shop-page=3.0 (see that all hosts ask one package "
            "repository, then plan again)",
        ),
        (
            lambda bench: broken(bench, past=HostPast(begun={"standby", "upgrade", "rollback"})),
            "rolled_back",
            "its upgrade had failed: taken up during the rollback",
        ),
        (
            lambda bench: broken(bench, "upgrade", "rollback", expected={"shop-page": "2.0"}),
            "drained",
            "host i-0, upgrade: told to fail; then host i-0, rollback: told to fail; then no new host served in place "
            "of i-0 in 0 s: none was launched (read the activities of the group for the reason)",
        ),
    ],
)
def test_a_host_says_why_it_was_not_patched(
    change: Callable[[Bench], dict[str, Any] | None], state: str, why: str
) -> None:
    bench, heard = Bench(3, floor=1), Heard()
    more = {"past": HostPast(), **(change(bench) or {})}
    voice: Any = heard
    limits = Limits(drain_slack=0, healthy=0, replacement=0, poll=0.01)
    known = {"world": bench.world, "machine": bench.machines[HOST], "voice": voice, "limits": limits}
    work = HostWork(bench.plan, "patch-1", bench.plan.host(HOST), **known, **more)
    work.go()
    assert (work.state, heard[-1].error) == (state, why)  # type: ignore[attr-defined]


def test_a_group_that_lost_hosts_since_the_look_before_the_wave_refuses_it_with_what_to_do() -> None:
    bench = Bench(3, floor=1)
    bench.world.launches = False
    bench.plan = replace(bench.plan, waves=tuple(replace(wave, needed=2) for wave in bench.plan.waves))
    with pytest.raises(GuardRefused) as refused:
        for event in bench.run():
            if isinstance(event, StepStarted) and event.step == "processes":
                gone(bench, host_id=bench.plan.waves[-1].hosts[0])
    assert render(refused.value) == (
        "error: wave 1 would leave 1 of 2 serving hosts, 2 are needed\n"
        "  remedy: bring failed hosts back or scale up, then `ops patch resume`\n"
    )


def test_a_host_that_recover_leaves_drained_says_what_to_mend() -> None:
    bench = Bench(3, floor=1)
    bench.machines[bench.plan.waves[0].hosts[0]].breaks = ("health", "rollback")
    again = list(recover(list(bench.run()), world=bench.world, machines=bench.machines))
    assert [event.error for event in again if isinstance(event, StepFailed)] == [
        f"host {bench.plan.waves[0].hosts[0]} stays drained: refused (mend its service, then recover again)"
    ]


def test_a_refresh_that_stands_still_stops_the_run_with_how_to_go_on() -> None:
    found, rows = fakes.group(), list[Refresh]()

    def start(_: ReplacePlan) -> str:
        rows.append(Refresh("r-1", "InProgress", "2"))
        return rows[0].id

    world: Any = SimpleNamespace(
        group=lambda: found, versions=dict, launched=lambda: launched(found, "1"), history=lambda: rows,
        name_version=lambda _: None, start=start,
    )  # fmt: skip
    with pytest.raises(Stopped) as stopped:
        list(replace_run.run(planned(found), replace_run.Tools(world, clock=Clock(), poll_seconds=900)))
    assert render(stopped.value) == (
        "error: instance refresh r-1 has been InProgress for 2:00:10 without a change\n  remedy: ops patch resume web\n"
    )
