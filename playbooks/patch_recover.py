"""Putting back what a patch run suspended, lowered, added and took out of service. Reads the world first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import Host
from quartermaster.playbooks import patch_successor as successor
from quartermaster.playbooks.machine import HostTrouble, Limits, Machines
from quartermaster.playbooks.patch_host import told
from quartermaster.playbooks.patch_past import Past
from quartermaster.playbooks.patch_pins import Pins, unpin
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_prescale import shrink
from quartermaster.playbooks.world import World, find

__all__ = ["put_back", "recover"]

_HEALTH_SECONDS = 30.0
_STANDBY_SECONDS = 600.0


def put_back(past: Past, world: World, limits: Limits) -> Iterator[Event]:
    """Take added hosts away, restore the floor, resume the processes that this run suspended. Changes the group."""
    patience = past.plan.drain_seconds + limits.drain_slack
    yield from shrink(past, world, patience=patience, poll=limits.poll)
    if past.prior_floor is not None:
        # Above what the group wants it would launch hosts in place of those left drained, and who knows with what.
        floor = min(past.prior_floor, world.group().desired)
        yield StepStarted(step="floor back", detail={"min": floor})
        world.set_floor(floor)
        yield StepFinished(step="floor back", detail={"min": floor})
    if past.suspended:
        yield StepStarted(step="processes back", detail={"resume": list(past.suspended)})
        world.resume(past.suspended)
        yield StepFinished(step="processes back")


def recover(
    events: Iterable[Event], *, world: World, machines: Machines, pins: Pins | None = None, limits: Limits | None = None
) -> Iterator[Event]:
    """Give a run up: hosts that it left in standby go back if they answer, then the group, then what new hosts take.

    A host that does not answer stays drained and is named; its event is a StepFailed.
    """
    past = Past.of(events)
    yield StepStarted(step="recover", title=f"put {past.plan.cluster} back")
    ours = [host_id for host_id, seen in past.hosts.items() if "standby" in seen.begun]
    for host in world.group().hosts:
        if host.id in ours and host.lifecycle in ("Standby", "EnteringStandby"):
            if before := past.hosts[host.id].undo.get("replace"):
                successor.withdraw(world, host.id, before)
            yield from _host_back(past.plan, host, world, machines)
    yield from put_back(past, world, limits or Limits())
    yield from unpin(past, pins)
    yield StepFinished(step="recover")


def _host_back(plan: PatchPlan, host: Host, world: World, machines: Machines) -> Iterator[Event]:
    begun = time.monotonic()
    yield StepStarted(step="back", host=host.id, zone=host.zone)
    machine = machines.open(host.id)
    try:
        pins = {update.name: plan.pins[update.name] for update in plan.host(host.id).updates if update.old}
        versions = machine.facts(pins).versions
        error = machine.health(plan.port, plan.health, _HEALTH_SECONDS) if plan.health else ""
        if error:
            raise HostTrouble(f"host {host.id} stays drained: {error}", remedy="mend its service, then recover again")
        until = begun + _STANDBY_SECONDS
        while (seen := find(world, host.id)) and seen.lifecycle == "EnteringStandby" and time.monotonic() < until:
            time.sleep(0.5)
        world.exit_standby(host.id)
    except OpsError as exc:
        yield StepFailed(step="back", host=host.id, zone=host.zone, error=told(exc))
    else:
        state = "patched" if all(versions.get(name) == version for name, version in pins.items()) else "pending"
        seconds = round(time.monotonic() - begun, 3)
        yield StepFinished(step="back", host=host.id, zone=host.zone, seconds=seconds, detail={"state": state})
    finally:
        machine.close()
