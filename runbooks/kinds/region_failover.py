"""The drill ``region_failover``: the pilot light grows, the cluster's name leads to it, answers, and comes back.

Nothing is lost: the region that is left stays as it was. So it proves that the other one can serve, and how soon; not
that nothing of the first was needed. Databases are not moved: what was promoted cannot go back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import Group
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import cluster
from quartermaster.runbooks.pilot import Pilot
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World, both, steady

__all__ = ["KIND"]

_WELL = "200"


def _look(hands: Hands, of: str) -> Mapping[str, Json]:
    """The pilot light, and what the name leads to; empty where nothing here may move them."""
    if hands.pilot is None:
        return {}
    pilot = hands.pilot
    group = pilot.group(of)
    return {
        "region": pilot.region,
        "there": None if group is None else _told(group),
        "name": pilot.name(of),
        "check": pilot.check(of),
        "inverted": pilot.inverted(of),
        "leads": pilot.leads(of),
        "answers": pilot.answers(of),
    }


def _told(group: Group) -> dict[str, Json]:
    hosts = len(group.hosts)
    serving = sum(host.serving for host in group.hosts)
    return {"name": group.name, "min": group.min, "max": group.max, "hosts": hosts, "serving": serving}


def _choose(case: Case) -> Loss:
    """The cluster, as large as it serves now."""
    extra, size = _seen(case.scene.extra), _size(case)
    region = extra.get("region") or "REGION"
    return Loss(
        what=f"the name of {case.of}, which is to lead to {region}",
        why=f"{size} hosts serve it here, and as many are to serve it there",
        runner_up="none: there is one recovery region",
        scopes=(f"cluster/{case.of}", "region"),
        names={
            **cluster.names(case),
            "region": str(region),
            "name": str(extra.get("name") or "NAME"),
            "size": str(size),
            "check": str(extra.get("check") or "CHECK"),
            "there": str((extra.get("there") or {}).get("name", "GROUP")),
            "data": _data(case.fleet, case.of) or "none that it uses",
        },
    )


def _guards(case: Case, loss: Loss) -> tuple[Guard, ...]:  # noqa: ARG001
    return (_ready(case), *_whole_data(case))


def _ready(case: Case) -> Guard:
    """Whether there is a pilot light to grow, and a name to lead there."""
    extra, of = _seen(case.scene.extra), case.of
    there = extra.get("there")
    if not extra:
        found = "what leads a name to another region on AWS has no end that AWS keeps: it would stay if we died"
        return Guard(
            "pilot_light", "refused", found, "rehearse it on a local stack; `ops runbook render` tells each step"
        )
    if there is None:
        found = f"{of} has no group in {extra['region'] or 'another region: recovery_region is not set'}"
        remedy = f"recovery_region, network.recovery_cidr and recovery.{of}.region, then ops provision up"
        return Guard("pilot_light", "refused", found, remedy)
    if not extra["check"]:
        return Guard(
            "pilot_light", "refused", f"no health check leads the name of {of} away", "dns, then ops provision up"
        )
    if extra["inverted"] or there["hosts"]:
        found = f"the pilot light is not asleep: {there['hosts']} hosts, name led away: {extra['inverted']}"
        return Guard("pilot_light", "refused", found, "ops drill recover")
    if _size(case) > there["max"]:
        found = f"{_size(case)} hosts serve {of}, and its group in {extra['region']} may have {there['max']}"
        return Guard("pilot_light", "refused", found, f"raise clusters.{of}.size.max")
    found = f"{there['name']} in {extra['region']} is asleep, and {extra['name']} leads {extra['leads']}"
    return Guard("pilot_light", "holds" if extra["leads"] == "here" else "refused", found)


def _whole_data(case: Case) -> tuple[Guard, ...]:
    data = _data(case.fleet, case.of)
    if not data:
        return ()
    found = f"{data}: not promoted, so no loss of data is measured; hosts there have no database to write to"
    return (Guard("data", "unknown", found, "ops drill run restore proves the copies"),)


def _data(fleet: Fleet, of: str) -> str:
    uses = fleet.clusters[of].uses
    return ", ".join(name for name in uses if name in fleet.postgres)


def _size(case: Case) -> int:
    return sum(host.serving for host in case.scene.groups[case.of].hosts)


def _grow(hands: Hands, plan: DrillPlan, size: str) -> Done:
    group = _group(hands, plan)
    if group.min >= int(size):
        return False
    _pilot(hands).resize(group, int(size))
    return True


def _may_grow(hands: Hands, plan: DrillPlan, size: str) -> None:
    most = _group(hands, plan).max
    if int(size) > most:
        raise OpsError(
            f"the world has moved since the plan: {plan.of} may have {most} hosts there, {size} planned",
            remedy=f"plan anew: ops drill run {plan.kind} {plan.of}",
        )


def _shrink(hands: Hands, plan: DrillPlan) -> Done:
    group, floor = _group(hands, plan), int(_seen(plan.before.extra)["there"]["min"])
    if (group.min, group.desired) == (floor, floor):
        return False
    _pilot(hands).resize(group, floor)
    return True


def _flip(hands: Hands, plan: DrillPlan) -> Done:
    return _lead(hands, plan, away=True)


def _flip_back(hands: Hands, plan: DrillPlan) -> Done:
    return _lead(hands, plan, away=False)


def _lead(hands: Hands, plan: DrillPlan, *, away: bool) -> Done:
    pilot = _pilot(hands)
    if pilot.inverted(plan.of) == away:
        return False
    pilot.lead_away(plan.of, away=away)
    return True


def _pilot(hands: Hands) -> Pilot:
    assert hands.pilot is not None
    return hands.pilot


def _group(hands: Hands, plan: DrillPlan) -> Group:
    group = _pilot(hands).group(plan.of)
    if group is None:
        raise OpsError(f"{plan.of} has no group in the recovery region any more", remedy="ops provision drift")
    return group


def _seen(extra: Mapping[str, Json]) -> dict[str, Any]:
    return cast("dict[str, Any]", extra)


def _there(world: World) -> dict[str, Any]:
    found: dict[str, Any] = _seen(world.now.extra)["there"] or {"hosts": 0, "serving": 0}
    return found


def _launched(world: World, size: str) -> Reading:
    hosts = _there(world)["hosts"]
    return Reading(hosts >= int(size), f"{hosts} of {size} hosts launched there")


def _complete(world: World, size: str) -> Reading:
    serving = _there(world)["serving"]
    return Reading(serving >= int(size), f"{serving} of {size} hosts serve there")


def _leads(world: World, where: str) -> Reading:
    extra = _seen(world.now.extra)
    found = f"{extra['name']} leads {extra['leads']} and answers {extra['answers']}"
    return Reading(extra["leads"] == where and extra["answers"] == _WELL, found)


def _leads_there(world: World, size: str) -> Reading:
    return both(_leads(world, "there"), _complete(world, size))


def _leads_here(world: World) -> Reading:
    return both(_leads(world, "here"), steady(world))


def _asleep(world: World) -> Reading:
    hosts = _there(world)["hosts"]
    return both(_leads_here(world), Reading(hosts == 0, f"{hosts} hosts there" if hosts else "nobody is awake there"))


KIND = Kind(
    name="region_failover",
    of=("cluster",),
    scope="region",
    limits={
        "steady_before": 30,
        "grow": 300,
        # A host installs packages and applies its role; its launch hook waits as long.
        "complete": 900,
        # A change reaches Route 53's servers within a minute; whoever has the old answer keeps it for another.
        "flip": 180,
        "flip_back": 180,
        "sleep": 600,
        "stays": 60,
    },
    names={
        **cluster.NAMES, "region": "REGION", "name": "NAME", "size": "0", "check": "CHECK", "there": "GROUP",
        "data": "none that it uses",
    },
    choose=_choose,
    commands={
        "grow": Command(_grow, ("size",), _may_grow),
        "shrink": Command(_shrink),
        "flip": Command(_flip),
        "flip_back": Command(_flip_back),
    },
    rollbacks={"shrink": Command(_shrink), "flip_back": Command(_flip_back)},
    probes={
        "launched": Probe(_launched, ("size",), "so many hosts belong to the group in the recovery region"),
        "complete": Probe(_complete, ("size",), "so many hosts serve in the recovery region"),
        "leads_there": Probe(_leads_there, ("size",), "the name leads to the recovery region, which answers it well"),
        "leads_here": Probe(_leads_here, (), "the name leads here and is answered well; steady"),
        "asleep": Probe(_asleep, (), "the name leads here, steady, and no host is awake in the recovery region"),
    },
    guards=_guards,
    look=_look,
    harmless=True,
)  # fmt: skip
