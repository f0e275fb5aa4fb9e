"""Hosts for the time of a run, where those that are there cannot spare one: added before the first wave, taken away
at the end. Those taken away are the ones that came, by name: left to itself the group would take its oldest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Event, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import Group, Host
from quartermaster.playbooks.patch_past import Grown, Past
from quartermaster.playbooks.world import World, size

__all__ = ["grow", "shrink"]


def grow(past: Past, world: World, halted: Callable[[], bool], *, patience: float, poll: float) -> Iterator[Event]:
    """Raise desired by the plan's count and wait until as many new hosts serve. Changes the group.

    Ends early when ``halted``. Raises GuardRefused when max forbids it or they do not serve in time.
    """
    count = past.plan.prescale
    if not count:
        return
    group = world.group()
    prior = past.grown or Grown(size(group), tuple(host.id for host in group.hosts))
    wanted = prior.desired + count
    if wanted > group.max:
        raise GuardRefused(
            f"{count} host(s) more than {prior.desired} are above the max {group.max} of {group.name}",
            remedy="raise size.max, or wait for an hour with less demand",
        )
    begun = time.monotonic()
    yield StepStarted(
        step="prescale",
        title=f"add {count} host(s)",
        undo={"desired": prior.desired, "hosts": list(prior.hosts)},
        detail={"desired": wanted},
    )
    if size(group) < wanted:
        world.hold(wanted)
    while len(serving := [host for host in _came(world.group(), prior) if host.serving]) < count:
        late = time.monotonic() - begun > patience
        if late or halted():
            error = f"{len(serving)} of {count} added host(s) served after {time.monotonic() - begun:.0f} s"
            yield StepFailed(step="prescale", error=error)
            if late:
                raise GuardRefused(error, remedy=f"see why hosts of {group.name} do not come up, then run again")
            return
        time.sleep(poll)
    seconds = round(time.monotonic() - begun, 3)
    yield StepFinished(step="prescale", seconds=seconds, detail={"hosts": [host.id for host in serving]})


def shrink(past: Past, world: World, *, patience: float, poll: float) -> Iterator[Event]:
    """Take away what ``grow`` added, drained first, and wait until it is gone. Changes the group."""
    prior = past.grown
    if prior is None:
        return
    group = world.group()
    surplus = max(0, min(past.plan.prescale, size(group) - prior.desired))
    leaving = _choice(group, prior, surplus)
    begun = time.monotonic()
    yield StepStarted(
        step="prescale back",
        title=f"take {surplus} added host(s) away",
        detail={"hosts": [host.id for host in leaving], "desired": prior.desired},
    )
    for host in leaving:
        world.terminate(host.id, fewer=True)
    if surplus > len(leaving):  # never came: the group stops trying
        world.hold(prior.desired)
    left = {host.id for host in leaving}
    while time.monotonic() - begun < patience and left & {host.id for host in world.group().hosts}:
        time.sleep(poll)
    yield StepFinished(step="prescale back", seconds=round(time.monotonic() - begun, 3))


def _came(group: Group, prior: Grown) -> list[Host]:
    return [
        host
        for host in group.hosts
        if host.id not in prior.hosts and (host.lifecycle == "InService" or host.lifecycle.startswith("Pending"))
    ]


def _choice(group: Group, prior: Grown, count: int) -> list[Host]:
    """``count`` of the hosts that came, those added for the run first, and such that the zones stay even."""
    zones = Counter(host.zone for host in group.hosts)
    left = _came(group, prior)
    taken: list[Host] = []
    while left and len(taken) < count:
        chosen = max(left, key=lambda host: (host.id in prior.added, zones[host.zone], host.id))
        zones[chosen.zone] -= 1
        left.remove(chosen)
        taken.append(chosen)
    return taken
