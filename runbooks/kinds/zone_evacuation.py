"""The drill ``zone_evacuation``: all traffic leaves a zone and comes back, and nobody may notice.

A zonal shift does both. It bears its own end: whatever becomes of us, the balancer takes the zone back when it expires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import Host
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.zonal_shift import Shift
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.kind import Kind, Meter
from quartermaster.runbooks.kinds import cluster
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World, both, steady
from quartermaster.runbooks.scene import Subjects
from quartermaster.runbooks.shifts import Shifting

__all__ = ["KIND"]

_MINUTES = 30
"""A shift is to outlast the drill, and not by much; ARC's own practice runs take as long:
https://docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-autoshift.how-it-works.html"""
_OURS = "ops drill zone_evacuation"
"""Begins the comment of our shifts: by it one that was left over is known."""
_QUIET = {"local": 5, "aws": 180}
"""Seconds without a request that prove a zone empty: CloudWatch tells of each minute up to two minutes late."""
_NOBODY_ASKS = 5.0


def _subjects(fleet: Fleet, of: str) -> Subjects:
    """The cluster, and those that have a share of its balancer: they leave the zone along with it."""
    balancer = fleet.clusters[of].balancer
    return Subjects(tuple(dict.fromkeys((of, *(balancer.weights if balancer is not None else ())))))


def _look(hands: Hands, of: str) -> Mapping[str, Json]:
    """Whether the balancer takes shifts, and the one that holds."""
    shift = _shifts(hands).holding(of)
    told = None if shift is None else {"zone": shift.zone, "until": shift.until.isoformat(), "why": shift.why}
    return {"managed": _shifts(hands).managed(of), "shift": cast(Json, told)}


def _choose(case: Case) -> Loss:
    """The zone to leave: the fullest one, then by a draw that changes daily."""
    hosts = [host for host in case.scene.hosts if host.serving]
    counts = Counter(host.zone for host in hosts)
    day = cluster.day_of(case)

    def rank(zone: str) -> tuple[int, str]:
        return -counts[zone], cluster.lot(case.of, day, zone)

    ordered = sorted(counts, key=rank)
    zone, second = (*ordered, "", "")[:2]
    left = [host.id for host in hosts if host.zone == zone]
    why = f"no zone has more serving hosts than {zone} ({len(left)}), drawn for {day}" if zone else "no host serves"
    return Loss(
        what=f"traffic to zone {zone or 'none'}",
        why=why,
        runner_up=f"{second} with {counts[second]} serving hosts: drawn after it" if second else "none",
        hosts=tuple(left),
        zone=zone,
        scopes=(*(f"cluster/{name}" for name in case.scene.groups), f"zone/{zone}"),
        names={
            **cluster.names(case),
            "zone": zone or "no zone",
            "hosts": ", ".join(left) or "none",
            "minutes": str(_MINUTES),
            "quiet_seconds": str(_QUIET[case.target]),
        },
    )


def _guards(case: Case, loss: Loss) -> tuple[Guard, ...]:
    shift = cast("Mapping[str, str] | None", case.scene.extra["shift"])
    if not case.scene.extra["managed"]:
        found, remedy = f"the balancer of {case.of} takes no zonal shifts", "ops provision up switches them on"
        return (Guard("zonal_shift", "refused", found, remedy),)
    if shift is not None:
        found = f"{case.of} is shifted away from {shift['zone']} until {shift['until']} already: {shift['why']}"
        remedy = "ops drill recover" if shift["why"].startswith(_OURS) else "wait until it ends"
        return (Guard("zonal_shift", "refused", found, remedy),)
    one = [name for name, group in case.scene.groups.items() if {host.zone for host in group.hosts} == {loss.zone}]
    if one:
        found = f"all hosts of {', '.join(one)} are in {loss.zone}: a shift would have no effect"
        return (Guard("zonal_shift", "refused", found, "give it hosts in another zone"),)
    return (Guard("zonal_shift", "holds", f"the balancer of {case.of} takes a shift, and none holds"),)


def _shift_away(hands: Hands, plan: DrillPlan, zone: str) -> Done:
    if _left_over(hands, plan, zone):
        return False
    shift = _shifts(hands).start(plan.of, zone, _MINUTES, f"{_OURS} {plan.stack}/{plan.of}")
    return {"expires_at": shift.until.astimezone(UTC).isoformat()}


def _may_shift(hands: Hands, plan: DrillPlan, zone: str) -> None:
    shift = _shifts(hands).holding(plan.of)
    if shift is not None and not _is_ours(shift, plan, zone):
        raise OpsError(
            f"the world has moved since the plan: {plan.of} is shifted away from {shift.zone} ({shift.why})",
            remedy="wait until that ends, then plan anew",
        )


def _shift_back(hands: Hands, plan: DrillPlan, zone: str) -> Done:
    shift = _left_over(hands, plan, zone)
    if shift is None:
        return False
    _shifts(hands).cancel(shift)
    return True


def _left_over(hands: Hands, plan: DrillPlan, zone: str) -> Shift | None:
    """The drill's own shift where it holds. Another's is never touched."""
    shift = _shifts(hands).holding(plan.of)
    return shift if shift is not None and _is_ours(shift, plan, zone) else None


def _is_ours(shift: Shift, plan: DrillPlan, zone: str) -> bool:
    return shift.zone == zone and shift.why == f"{_OURS} {plan.stack}/{plan.of}"


def _shifts(hands: Hands) -> Shifting:
    assert hands.shifts is not None
    return hands.shifts


class _ByZone(Meter):
    """For how long the zone, and the cluster as a whole, were asked nothing."""

    def __init__(self, plan: DrillPlan, hands: Hands) -> None:
        self._of, self._zone, self._counter, self._clock = plan.of, plan.zone, hands.zone_counter, hands.clock
        self._counts = (0, 0)
        self._first: int | None = None
        self._asked_at = (hands.clock.now(), hands.clock.now())

    def read(self) -> Mapping[str, Json]:
        if self._counter is None:
            return {}
        by_zone, now = self._counter.zones(self._of), self._clock.now()
        counts = by_zone.get(self._zone, 0), sum(by_zone.values())
        self._first = counts[0] if self._first is None else self._first
        same = (new == old for new, old in zip(counts, self._counts, strict=True))
        asked = tuple(at if as_before else now for as_before, at in zip(same, self._asked_at, strict=True))
        self._counts, self._asked_at = counts, cast("tuple[datetime, datetime]", asked)
        quiet = [round((now - at).total_seconds(), 3) for at in self._asked_at]
        return {
            "zone_requests": counts[0] - self._first,
            "zone_quiet_seconds": quiet[0],
            "quiet_seconds": quiet[1],
        }


def _hosts(world: World, zone: str) -> tuple[list[Host], list[Host]]:
    """Those of the zone, and those elsewhere."""
    here = [host for host in world.now.hosts if host.zone == zone]
    return here, [host for host in world.now.hosts if host.zone != zone]


def _shifted(world: World, zone: str) -> Reading:
    here, elsewhere = _hosts(world, zone)
    astray = [host.id for host in elsewhere if host.shifted]
    shift = cast("Mapping[str, str] | None", world.now.extra["shift"])
    if shift is None or shift["zone"] != zone:
        return Reading(False, f"no shift away from {zone} holds")
    if astray:
        return Reading(False, f"{', '.join(astray)} get nothing either, and are in other zones")
    away = sum(host.shifted for host in here)
    return Reading(away == len(here), f"{away} of {len(here)} hosts of {zone} get no new request")


def _left(world: World, zone: str, seconds: str) -> Reading:
    shifted, quiet = _shifted(world, zone), _seconds(world, "zone_quiet_seconds")
    if not shifted.holds or quiet is None:
        return shifted
    return Reading(quiet >= float(seconds), f"{zone} has finished no request for {quiet:.0f} s")


def _unshifted(world: World) -> Reading:
    shift = cast("Mapping[str, str] | None", world.now.extra["shift"])
    if shift is not None:
        return Reading(False, f"a shift away from {shift['zone']} holds until {shift['until']}")
    kept = [host.id for host in world.now.hosts if host.shifted]
    return Reading(not kept, f"{', '.join(kept)} still get no new request" if kept else "no shift holds")


def _returned(world: World, zone: str) -> Reading:
    whole = both(_unshifted(world), steady(world))
    here, all_ = _seconds(world, "zone_quiet_seconds"), _seconds(world, "quiet_seconds")
    if not whole.holds or here is None or all_ is None:
        return whole
    if all_ >= _NOBODY_ASKS:
        return Reading(True, f"{whole.found}; nobody has asked anything for {all_:.0f} s")
    return Reading(here < _NOBODY_ASKS, f"{whole.found}; {zone} finished its last request {here:.0f} s ago")


def _seconds(world: World, name: str) -> float | None:
    value = world.measured.get(name)
    return float(value) if isinstance(value, int | float) else None


KIND = Kind(
    name="zone_evacuation",
    of=("cluster",),
    scope="zone",
    limits={
        "steady_before": 30,
        "shift": 300,
        # Clients that keep their connections stay as long as these live (fleet.connections), and are told to go.
        "leave": 600,
        "serves": 120,
        "end": 300,
        "back": 300,
        "stays": 60,
    },
    names={**cluster.NAMES, "zone": "ZONE", "hosts": "HOSTS", "minutes": str(_MINUTES), "quiet_seconds": "5"},
    choose=_choose,
    commands={
        "shift_away": Command(_shift_away, ("zone",), _may_shift),
        "shift_back": Command(_shift_back, ("zone",)),
    },
    rollbacks={"shift_back": Command(_shift_back, ("zone",))},
    probes={
        "shifted": Probe(_shifted, ("zone",), "the balancer sends nothing new to the zone's hosts, and to all others"),
        "left": Probe(_left, ("zone", "seconds"), "shifted, and the zone has finished no request for so long"),
        "unshifted": Probe(_unshifted, (), "no shift holds, and no host is kept from requests"),
        "returned": Probe(_returned, ("zone",), "steady, no shift holds, and the zone is asked as the others are"),
    },
    guards=_guards,
    subjects=_subjects,
    look=_look,
    measure=_ByZone,
    ends_on_aws=f"the zonal shift expires after {_MINUTES} minutes, and the balancer takes the zone back",
    harmless=True,
)
