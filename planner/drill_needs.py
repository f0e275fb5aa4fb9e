"""Which runs of the declared drills are due, on which days, how long each lasts, and what it takes away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.safety import Drill

__all__ = ["DURATION", "Loss", "Need", "Past", "lost_by", "needs"]

DURATION = {
    "restore": timedelta(hours=1),
    "instance_loss": timedelta(minutes=30),
    "zone_evacuation": timedelta(hours=1),
    "zone_outage": timedelta(hours=1),
    "failover": timedelta(minutes=30),
    "region_failover": timedelta(hours=2),
    "tabletop": timedelta(hours=1),
}
"""Reserved at the least where no earlier run tells: the act, its recovery, and watching it afterwards."""

_WATCHED = timedelta(minutes=10)
"""Reserved beyond what earlier runs took, or what its limits allow."""
_ROUND = timedelta(minutes=15)
_ZONAL = ("zone_evacuation", "zone_outage")
_ZONES = "its zones"
_MOST_URGENT = 5.0


@dataclass(frozen=True, slots=True)
class Past:
    """Earlier runs of one drill that were carried through."""

    runs: int
    last_at: datetime
    seconds: float
    """The longest of them."""
    changed: str = ""
    """What was changed since the last one; empty: nothing that it would prove otherwise."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Capacity that a drill takes from the clusters it touches."""

    zones: int
    instances: int
    words: str


@dataclass(frozen=True, slots=True)
class Need:
    """One run of a drill that is due. Days are those of the fleet's time zone."""

    kind: str
    of: str
    number: int
    """Of this drill's runs, from 1 on: with it a run keeps its name when its hour moves."""
    every_days: int
    tolerance_days: int
    due: date
    opens: date
    closes: date
    """Days that the cadence allows, both included."""
    urgency: float
    """What a day of waiting weighs: 1, more the older or more outdated its evidence is, 5 at most."""
    reason: str
    """Why it is urgent; empty where it is not."""
    length: timedelta
    clusters: tuple[str, ...]
    """Clusters whose demand it puts at risk."""
    touched: frozenset[str]
    """Clusters and databases that no other drill, patch or backup may be at work on meanwhile."""
    domains: frozenset[str]
    """Failure domains that it holds for its day."""

    @property
    def wanted(self) -> date:
        """The day that it is best on by its cadence: when due, or as early as may be once it is urgent."""
        return self.opens if self.reason else self.due


def lost_by(kind: str, zones: int) -> Loss:
    """What a kind of drill takes away while it lasts."""
    if kind == "instance_loss":
        return Loss(0, 1, "one instance lost")
    if kind in _ZONAL:
        return Loss(1, 0, "the fullest zone lost")
    if kind == "failover":
        return Loss(1, 0, "the database moves to another zone; counted as a zone lost to the clusters that use it")
    if kind == "region_failover":
        return Loss(zones - 1, 0, "the region left; counted as all zones but one lost")
    return Loss(0, 0, "nothing taken from what serves")


def needs(
    fleet: Fleet,
    stack: str,
    today: date,
    days: int,
    past: Mapping[tuple[str, str], Past],
    limits: Mapping[str, float],
) -> tuple[list[Need], list[tuple[str, str, str]]]:
    """Runs due within the days, in the order of fleet.yaml, and what may not run at all with its rule."""
    allowed = fleet.allowed_drills(stack)
    out: list[Need] = []
    refused: list[tuple[str, str, str]] = []
    for drill in fleet.recovery.drills:
        if allowed is not None and drill.kind not in allowed:
            words = f"allow: stack {stack} permits {', '.join(allowed) or 'no drill'}"
            refused.append((drill.kind, drill.of, words))
        else:
            before = past.get((drill.kind, drill.of))
            seconds = limits.get(drill.kind, 0.0) if before is None else before.seconds
            length = _length(drill.kind, seconds, before)
            out += _runs(fleet, drill, today, days, before, length)
    return out, refused


def tolerance(drill: Drill) -> int:
    """Days around its due day within which a drill keeps its cadence: declared, else a quarter of it."""
    declared = drill.tolerance_days
    return max(1, math.ceil(drill.every_days / 4)) if declared is None else declared


def _runs(fleet: Fleet, drill: Drill, today: date, days: int, past: Past | None, length: timedelta) -> list[Need]:
    """One for each due day: the last run's day and every ``every_days`` on. Late ones are due today, once."""
    every, slack = timedelta(days=drill.every_days), timedelta(days=tolerance(drill))
    last = None if past is None else past.last_at.astimezone(fleet.tz).date()
    due = today if last is None else max(today, last + every)
    late = 0 if last is None else (today - last - every).days
    urgency, reason = _urgency(past, late, drill.every_days)
    out = []
    for number in range(1, days + 1):
        if due >= today + timedelta(days=days):
            break
        overdue = number == 1 and (past is None or late > 0)
        out.append(
            Need(
                drill.kind,
                drill.of,
                number + (past.runs if past else 0),
                drill.every_days,
                slack.days,
                due,
                due if overdue else max(today, due - slack),
                # A late one has broken its cadence already: as soon as can be, within another.
                due + (max(slack, every - timedelta(days=1)) if overdue else slack),
                urgency if number == 1 else 1.0,
                reason if number == 1 else "",
                length,
                _at_risk(fleet, drill),
                _touched(fleet, drill),
                _domains(fleet, drill),
            )
        )
        due += every
    return out


def _urgency(past: Past | None, late: int, every_days: int) -> tuple[float, str]:
    """What waiting weighs: by the age of the evidence in cadences, twice as much where it is outdated."""
    if past is None:
        return 2.0, "never run here"
    weight, reasons = 1.0, []
    if late > 0:
        weight, reasons = 1.0 + late / every_days, [f"{late} days overdue"]
    if past.changed:
        weight, reasons = 2 * weight, [*reasons, f"since the last one: {past.changed}"]
    return min(_MOST_URGENT, weight), "; ".join(reasons)


def _length(kind: str, seconds: float, past: Past | None) -> timedelta:
    """Time to reserve, in quarters of an hour."""
    taken = math.ceil((timedelta(seconds=seconds) + _WATCHED) / _ROUND) * _ROUND
    return max(taken, DURATION[kind]) if past is None else taken


def _at_risk(fleet: Fleet, drill: Drill) -> tuple[str, ...]:
    if drill.kind in ("zone_outage", "region_failover"):
        return tuple(fleet.clusters)
    if drill.of in fleet.clusters:
        return (drill.of,)
    return tuple(name for name, cluster in fleet.clusters.items() if drill.of in cluster.uses)


def _touched(fleet: Fleet, drill: Drill) -> frozenset[str]:
    """A zone takes all that stands in it along; else the drill's subject, and who uses it or is used by it."""
    if drill.kind in ("zone_outage", "region_failover"):
        return frozenset((drill.of, *fleet.clusters, *fleet.databases))
    used = fleet.clusters[drill.of].uses if drill.of in fleet.clusters else ()
    return frozenset((drill.of, *_at_risk(fleet, drill), *(name for name in used if name in fleet.databases)))


def _domains(fleet: Fleet, drill: Drill) -> frozenset[str]:
    if drill.kind == "region_failover":
        return frozenset((drill.of, _ZONES, *(other.of for other in fleet.recovery.drills)))
    return frozenset((drill.of, _ZONES)) if drill.kind in _ZONAL else frozenset((drill.of,))
