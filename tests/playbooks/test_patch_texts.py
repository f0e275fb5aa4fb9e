"""What users read of a host or a group that is no longer as a patch cycle needs it: in the result, and as an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Event, StepStarted
from quartermaster.playbooks.machine import Limits
from quartermaster.playbooks.patch_host import HostWork
from quartermaster.playbooks.patch_past import HostPast
from tests.playbooks.test_patch_run import Bench

HOST = "i-0"


class Heard(list[Event]):
    """What the work on a host says, with nobody to wait for."""

    def say(self, event: Event) -> None:
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
    ],
)
def test_a_host_says_why_it_was_not_patched(change: Callable[[Bench], None], state: str, why: str) -> None:
    bench, heard = Bench(3, floor=1), Heard()
    change(bench)
    voice: Any = heard
    limits = Limits(drain_slack=0, healthy=0, poll=0.01)
    work = HostWork(
        bench.plan, "patch-1", bench.plan.host(HOST), HostPast(), bench.world, bench.machines[HOST], voice,
        limits=limits,
    )  # fmt: skip
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
