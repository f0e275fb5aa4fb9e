"""The drill ``instance_loss``: one host loses its power under load, and the group must replace it unaided."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Group, Host
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.case import Case, Loss
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import cluster
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World, steady_group

__all__ = ["KIND"]


def _choose(case: Case) -> Loss:
    """The host to lose: in the fullest zone, then by a draw that changes daily."""
    host, why, runner_up = _host(case)
    lost = host.id if host else "HOST"
    by_hand = (
        f"ops local fail host {lost}"
        if case.target == "local"
        else f"aws fis start-experiment --experiment-template-id TEMPLATE --tags ops:host={lost}"
    )
    zone = host.zone if host else ""
    return Loss(
        what=f"host {lost} in {zone or 'no zone'}",
        why=why,
        runner_up=runner_up,
        hosts=(lost,) if host else (),
        zone=zone,
        scopes=(f"cluster/{case.of}", f"zone/{zone}"),
        names={
            **cluster.names(case),
            "host": lost,
            "zone": zone or "no zone",
            "address": host.address if host else "no address",
            "kill_by_hand": by_hand,
        },
    )


def _host(case: Case) -> tuple[Host | None, str, str]:
    """The host, why, and the runner-up."""
    group = case.scene.groups[case.of]
    serving = [host for host in group.hosts if host.serving]
    if not serving:
        return None, "no host serves", "none"
    zones = Counter(host.zone for host in serving)
    day = cluster.day_of(case)

    def rank(host: Host) -> tuple[int, str]:
        return -zones[host.zone], cluster.lot(group.name, day, host.id)

    ordered = sorted(serving, key=rank)
    first = ordered[0]
    tied = [host for host in ordered if zones[host.zone] == zones[first.zone]]
    count = zones[first.zone]
    why = f"no zone has more serving hosts than {first.zone} ({count})"
    why += f"; drawn for {day} among {len(tied)} such hosts" if len(tied) > 1 else ""
    if len(ordered) == 1:
        return first, why, "none: it is the only one"
    second = ordered[1]
    because = (
        "drawn after it" if zones[second.zone] == count else f"its zone has only {zones[second.zone]} serving hosts"
    )
    return first, why, f"{second.id} in {second.zone}: {because}"


def _kill_host(hands: Hands, plan: DrillPlan, host_id: str) -> Done:  # noqa: ARG001
    hands.faults.kill_host(host_id)
    return True


def _may_kill(hands: Hands, plan: DrillPlan, host_id: str) -> None:
    host = _find(hands.hosts.group(plan.of), host_id)
    if host_id != plan.host or host is None or not host.serving:
        found = "is not in the group" if host is None else f"is {host.lifecycle}/{host.health}"
        raise OpsError(
            f"the world has moved since the plan: {host_id} {found}, planned was {plan.host}, serving",
            remedy=f"plan anew: ops drill run {plan.kind} {plan.of}",
        )


def _replace_host(hands: Hands, plan: DrillPlan, host_id: str) -> Done:
    host = _find(hands.hosts.group(plan.of), host_id)
    if host is None or host.lifecycle.startswith("Terminat"):
        return False
    hands.hosts.terminate(host_id)
    return True


def _find(group: Group, host_id: str) -> Host | None:
    return next((host for host in group.hosts if host.id == host_id), None)


def _now(world: World) -> Group:
    return world.now.groups[world.of]


def _new(world: World) -> tuple[Host, ...]:
    """Hosts that were not there before."""
    known = {host.id for host in world.before.groups[world.of].hosts}
    return tuple(host for host in _now(world).hosts if host.id not in known)


def _noticed(world: World, lost: str) -> Reading:
    host = _find(_now(world), lost)
    if host is None:
        return Reading(True, f"{lost} left the group")
    return Reading(not host.serving, f"{lost} is {host.lifecycle}, {host.health or 'no balancer'}")


def _given_up(world: World, lost: str) -> Reading:
    host, new = _find(_now(world), lost), _new(world)
    if host is None:
        return Reading(True, f"{lost} left the group")
    if host.lifecycle != "InService":
        return Reading(True, f"{lost} is {host.lifecycle}")
    if new:
        return Reading(True, f"{new[0].id} already comes for it")
    return Reading(False, f"{lost} is still in service for its group")


def _replacement_launched(world: World) -> Reading:
    new = _new(world)
    if not new:
        return Reading(False, "no new host yet")
    return Reading(True, ", ".join(f"{host.id} in {host.zone}: {host.lifecycle}" for host in new))


def _replacement_in_service(world: World) -> Reading:
    new = _new(world)
    ready = [host.id for host in new if host.lifecycle == "InService"]
    waiting = ", ".join(f"{host.id} {host.lifecycle}" for host in new) or "no new host"
    return Reading(bool(ready), f"{ready[0]} is in service" if ready else waiting)


def _whole(world: World, lost: str) -> Reading:
    group = _now(world)
    host = _find(group, lost)
    if host is not None and host.serving:
        return Reading(False, f"{lost} still counts as serving")
    # On its way out it serves no one; the group may take long to let go of it (a hook, a drain).
    left = tuple(other for other in group.hosts if other.id != lost)
    return steady_group(replace(group, hosts=left), world.before.groups[world.of])


def _stays(world: World, lost: str, seconds: str) -> Reading:
    whole = _whole(world, lost)
    if not whole.holds or world.quiet_seconds is None:
        return whole
    found = f"{whole.found}; no request failed for {world.quiet_seconds:.0f} s"
    return Reading(world.quiet_seconds >= float(seconds), found)


KIND = Kind(
    name="instance_loss",
    of=("cluster",),
    scope="zone",
    limits={
        "steady_before": 30,
        # The default ELB health check needs 2 failures 30 s apart; a group reads it once a minute or so.
        "lose": 120,
        "give_up": 180,
        "launch": 300,
        # A host installs packages and applies its role; its launch hook waits as long (infra: hook timeout).
        "converge": 900,
        "whole": 180,
        "stays": 60,
    },
    names={
        **cluster.NAMES,
        "host": "HOST",
        "zone": "ZONE",
        "address": "ADDRESS",
        "kill_by_hand": "ops local fail host HOST",
    },
    choose=_choose,
    ends_on_aws="an experiment of FIS terminates the host and is over then: the group replaces it",
    commands={"kill_host": Command(_kill_host, ("host",), _may_kill)},
    rollbacks={"replace_host": Command(_replace_host, ("host",))},
    probes={
        "noticed": Probe(_noticed, ("host",), "the balancer or the group no longer trusts the host"),
        "given_up": Probe(_given_up, ("host",), "the group has taken the host out of service or replaces it"),
        "replacement_launched": Probe(_replacement_launched, (), "the group has a host that it did not have before"),
        "replacement_in_service": Probe(_replacement_in_service, (), "a new host is in service"),
        "whole": Probe(_whole, ("host",), "the steady state without the lost host"),
        "stays": Probe(_stays, ("host", "seconds"), "whole, and no request failed for so long"),
    },
)
