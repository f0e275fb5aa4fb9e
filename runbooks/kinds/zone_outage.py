"""The drill ``zone_outage``: a zone with all its hosts, balancer legs and primaries is cut off at once, healed after.

The zone is cut off for the whole stack, so the drill looks at every cluster and database of it, though it is of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Group, Host
from quartermaster.fleet.objectives import detection_seconds
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.document import Call
from quartermaster.runbooks.experiments import OUTAGE_MINUTES
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import cluster
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World, both
from quartermaster.runbooks.scene import Subjects
from quartermaster.runbooks.writes import SILENT_SECONDS, WriteMeter

__all__ = ["KIND"]

_STEPS = {"detect": "left_out", "decide": "given_up", "act": "replaced", "converge": "carried", "verify": "serves"}
"""The probe that ends each phase, as in the document."""


def _subjects(fleet: Fleet, of: str) -> Subjects:  # noqa: ARG001
    return Subjects(tuple(fleet.clusters), fleet.postgres)


def _choose(case: Case) -> Loss:
    """The zone with the most primaries of what the cluster uses, then with the most of its hosts, then by a draw."""
    scene, group = case.scene, case.scene.groups[case.of]
    uses = set(case.fleet.clusters[case.of].uses)
    hosts = Counter(host.zone for host in group.hosts if host.serving)
    primaries = Counter(state.zone for name, state in scene.databases.items() if name in uses)
    day = cluster.day_of(case)

    def rank(zone: str) -> tuple[int, int, str]:
        return -primaries[zone], -hosts[zone], cluster.lot(group.name, day, zone)

    ordered = sorted(hosts, key=rank)
    zone = ordered[0] if ordered else ""
    lost = tuple(host.id for host in scene.hosts if host.zone == zone)
    databases = tuple(name for name, state in scene.databases.items() if state.zone == zone)
    touched = [f"cluster/{name}" for name in scene.groups] + [f"database/{name}" for name in scene.databases]
    balancer = case.fleet.clusters[case.of].balancer
    return Loss(
        what=f"zone {zone or 'none'} with {len(lost)} hosts" + "".join(f" and the primary of {n}" for n in databases),
        why=_why(zone, hosts, primaries),
        runner_up=_runner_up(ordered, hosts, primaries),
        hosts=lost,
        zone=zone,
        databases=databases,
        scopes=(*touched, f"zone/{zone}"),
        names={
            **cluster.names(case),
            "zone": zone or "no zone",
            "lost_hosts": ", ".join(lost) or "none",
            "lost_primaries": ", ".join(databases) or "none",
            "failing_seconds": str(detection_seconds(balancer)) if balancer else "0",
        },
    )


def _why(zone: str, hosts: Mapping[str, int], primaries: Mapping[str, int]) -> str:
    if not zone:
        return "no host serves"
    if primaries[zone]:
        return f"{zone} holds {primaries[zone]} primaries of what it uses and {hosts[zone]} of its hosts"
    return f"no zone has more of its hosts than {zone} ({hosts[zone]})"


def _runner_up(ordered: list[str], hosts: Mapping[str, int], primaries: Mapping[str, int]) -> str:
    if len(ordered) < 2:
        return "none: its hosts are in no other zone"
    first, second = ordered[:2]
    if (primaries[first], hosts[first]) == (primaries[second], hosts[second]):
        return f"{second}: drawn after it"
    return f"{second}: {primaries[second]} primaries and {hosts[second]} hosts"


def _guards(case: Case, loss: Loss) -> tuple[Guard, ...]:
    """A database whose primary is lost needs a standby elsewhere."""
    alone = [name for name in loss.databases if not case.scene.databases[name].standby_zone]
    if not alone:
        return ()
    found = f"{', '.join(alone)} would be gone until the zone is back: no standby in another zone"
    return (Guard("standby", "refused", found, f"databases.{alone[0]}.standby: true"),)


def _fail_zone(hands: Hands, plan: DrillPlan, zone: str) -> Done:  # noqa: ARG001
    hands.faults.fail_zone(zone)
    return True


def _may_fail(hands: Hands, plan: DrillPlan, zone: str) -> None:
    again = f"plan anew: ops drill run {plan.kind} {plan.of}"
    if zone != plan.zone:
        raise OpsError(f"the world has moved since the plan: asked for {zone}, planned was {plan.zone}", remedy=again)
    for name, before in plan.before.groups.items():
        left, planned = (len(_elsewhere(group, zone)) for group in (hands.hosts.group(name), before))
        if left < planned:
            problem = f"{left} hosts of {name} serve outside {zone}, planned were {planned}"
            raise OpsError(f"the world has moved since the plan: {problem}", remedy=again)


def _heal_zone(hands: Hands, plan: DrillPlan, zone: str) -> Done:  # noqa: ARG001
    hands.faults.heal_zone(zone)
    return True


def _elsewhere(group: Group, zone: str) -> list[Host]:
    return [host for host in group.hosts if host.serving and host.zone != zone]


_OfGroup = Callable[[Group, Group, str], Reading]
"""Takes the group now, the group before, and the zone."""
_OfDatabase = Callable[[DatabaseState, str, World], Reading]


def _probe(of_group: _OfGroup, of_database: _OfDatabase, says: str) -> Probe:
    """Over all that the zone holds or, for milestones, of one subject."""

    def read(world: World, zone: str, only: str = "") -> Reading:
        readings = [
            _said(name, of_group(group, world.before.groups[name], zone))
            for name, group in world.now.groups.items()
            if only in ("", name) and _hit(world.before.groups[name].hosts, zone)
        ]
        for name, state in world.now.databases.items():
            if only in ("", name) and world.before.databases[name].zone == zone:
                readings.append(_said(name, of_database(state, zone, world)))
        return both(*readings)

    return Probe(read, ("zone",), says)


def _hit(hosts: tuple[Host, ...], zone: str) -> bool:
    return any(host.zone == zone for host in hosts)


def _said(name: str, reading: Reading) -> Reading:
    return Reading(reading.holds, f"{name}: {reading.found}")


def _left_out(now: Group, before: Group, zone: str) -> Reading:  # noqa: ARG001
    trusted = [host.id for host in now.hosts if host.zone == zone and host.serving]
    return Reading(not trusted, f"{len(trusted)} hosts in {zone} count as healthy")


def _given_up(now: Group, before: Group, zone: str) -> Reading:
    kept = [host.id for host in now.hosts if host.zone == zone and host.lifecycle == "InService"]
    known = {host.id for host in before.hosts}
    new = [host.id for host in now.hosts if host.id not in known]
    return Reading(len(new) >= len(kept), f"{len(kept)} hosts in {zone} still in service for the group")


def _count(now: Group, hosts: list[Host], what: str) -> Reading:
    return Reading(len(hosts) >= max(1, now.desired), f"{len(hosts)} of {now.desired} {what} in other zones")


def _replaced(now: Group, before: Group, zone: str) -> Reading:  # noqa: ARG001
    coming = [h for h in now.hosts if h.zone != zone and (h.lifecycle == "InService" or h.lifecycle[:7] == "Pending")]
    return _count(now, coming, "launched")


def _carried(now: Group, before: Group, zone: str) -> Reading:  # noqa: ARG001
    return _count(now, [h for h in now.hosts if h.zone != zone and h.lifecycle == "InService"], "in service")


def _serves(now: Group, before: Group, zone: str) -> Reading:  # noqa: ARG001
    return _count(now, _elsewhere(now, zone), "serve")


def _noticed(now: DatabaseState, zone: str, world: World) -> Reading:  # noqa: ARG001
    return Reading(now.status != "available" or now.zone != zone, f"{now.status} in {now.zone}")


def _moved(now: DatabaseState, zone: str, world: World) -> Reading:  # noqa: ARG001
    return Reading(now.zone not in ("", zone), f"{now.status}, its primary in {now.zone}")


def _available(now: DatabaseState, zone: str, world: World) -> Reading:
    moved = _moved(now, zone, world)
    return Reading(moved.holds and now.status == "available", moved.found)


def _takes_writes(now: DatabaseState, zone: str, world: World) -> Reading:
    there = _available(now, zone, world)
    silent = world.measured.get("writes_silent_seconds", {}).get(now.name)
    if not there.holds or silent is None:
        return there
    return Reading(silent < SILENT_SECONDS, f"{there.found}; confirmed a write {silent:.1f} s ago")


def _milestones(plan: DrillPlan) -> dict[str, dict[str, Call]]:
    """The same probes, of each cluster and database that the zone hits."""
    hit = [name for name, group in plan.before.groups.items() if _hit(group.hosts, plan.zone)]
    return {
        subject: {phase: Call(probe, (plan.zone, subject)) for phase, probe in _STEPS.items()}
        for subject in (*hit, *plan.loss.databases)
    }


KIND = Kind(
    name="zone_outage",
    of=("cluster",),
    scope="zone",
    limits={
        "steady_before": 30,
        # 2 to 10 failed checks, 5 to 300 s apart: those of a fleet that wants to be quick; RDS takes up to a minute.
        "cut_off": 150,
        "give_up": 180,
        "replace": 300,
        "converge": 900,
        "serve": 180,
        # The group moves hosts back one after the other, each as long as a new one takes.
        "as_before": 1800,
        "stays": 120,
    },
    names={
        **cluster.NAMES,
        "zone": "ZONE",
        "lost_hosts": "HOSTS",
        "lost_primaries": "DATABASES",
        "failing_seconds": "0",
    },
    choose=_choose,
    ends_on_aws=f"the experiment of FIS gives the zone back after {OUTAGE_MINUTES} minutes, whatever becomes of us",
    guards=_guards,
    subjects=_subjects,
    commands={"fail_zone": Command(_fail_zone, ("zone",), _may_fail), "heal_zone": Command(_heal_zone, ("zone",))},
    rollbacks={"heal_zone": Command(_heal_zone, ("zone",))},
    probes={
        "left_out": _probe(
            _left_out, _noticed, "no balancer trusts a host there; RDS has noticed that primaries are lost"
        ),
        "given_up": _probe(_given_up, _noticed, "the groups take its hosts out of service or launch others"),
        "replaced": _probe(_replaced, _moved, "as many hosts as wanted launched in other zones, primaries elsewhere"),
        "carried": _probe(_carried, _available, "as many in service as wanted in other zones; databases available"),
        "serves": _probe(_serves, _takes_writes, "as many serve as wanted from other zones; databases take writes"),
    },
    measure=lambda plan, hands: WriteMeter(plan.loss.databases, hands),
    milestones=_milestones,
)
