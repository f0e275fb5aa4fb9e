"""What a drill takes away, how long it lasts, when it is due, and the hours that the rules leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["DURATION", "Loss", "Need", "allowed_starts", "lost_by", "needs"]

DURATION = {
    "restore": timedelta(hours=1),
    "instance_loss": timedelta(minutes=30),
    "zone_evacuation": timedelta(hours=1),
    "zone_outage": timedelta(hours=1),
    "failover": timedelta(minutes=30),
    "region_failover": timedelta(hours=2),
    "tabletop": timedelta(hours=1),
}
"""Time reserved: the act, its recovery, and watching it afterwards."""

_STEP = timedelta(minutes=30)
_WHOLE_FLEET = "*"


@dataclass(frozen=True, slots=True)
class Loss:
    """Capacity that a drill takes from the clusters it touches."""

    zones: int
    instances: int
    words: str


@dataclass(frozen=True, slots=True)
class Need:
    """One run of a drill that is due."""

    kind: str
    of: str
    every_days: int
    due_day: int
    """Days from the start by which it has to run."""
    clusters: tuple[str, ...]
    """Clusters whose demand it puts at risk."""
    domains: tuple[str, ...]
    """Failure domains that it holds for its day."""


def lost_by(kind: str, zones: int) -> Loss:
    """What a kind of drill takes away while it lasts."""
    if kind == "instance_loss":
        return Loss(0, 1, "one instance lost")
    if kind in ("zone_outage", "zone_evacuation"):
        return Loss(1, 0, "the fullest zone lost")
    if kind == "failover":
        return Loss(1, 0, "the database moves to another zone; counted as a zone lost to the clusters that use it")
    if kind == "region_failover":
        return Loss(zones - 1, 0, "the region left; counted as all zones but one lost")
    return Loss(0, 0, "nothing taken from what serves")


def needs(
    fleet: Fleet, stack: str, start: datetime, days: int, last_runs: Mapping[tuple[str, str], datetime]
) -> tuple[list[Need], list[tuple[str, str, str]]]:
    """Runs due within the days, one for each cadence that ends in them, and what may not run with its rule."""
    allowed = fleet.allowed_drills(stack)
    out: list[Need] = []
    refused: list[tuple[str, str, str]] = []
    for drill in fleet.recovery.drills:
        kind, of = drill.kind, drill.of
        if allowed is not None and kind not in allowed:
            refused.append((kind, of, f"allow: stack {stack} permits {', '.join(allowed) or 'no drill'}"))
            continue
        clusters = (of,) if of in fleet.clusters else tuple(n for n, c in fleet.clusters.items() if of in c.uses)
        domains = (_WHOLE_FLEET,) if kind == "region_failover" else (of,)
        last = last_runs.get((kind, of))
        # Never run: due within its first cadence. Overdue: due today.
        due = drill.every_days if last is None else max(0, (last + timedelta(days=drill.every_days) - start).days)
        if last is None and due > days - 1:
            # Due after the days in view; still shown once, so that a first schedule names every drill.
            due = days - 1
        while due <= days:
            out.append(Need(kind, of, drill.every_days, due, clusters, domains))
            due += drill.every_days
    return out, refused


def allowed_starts(fleet: Fleet, need: Need, start: datetime, end: datetime) -> tuple[list[datetime], str]:
    """Instants at which the drill may start and still end inside the rules; else the rule that took the last."""
    length = DURATION[need.kind]
    span = f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    candidates = []
    for opens, closes in fleet.recovery.hours.occurrences(start, end, fleet.tz):
        at = _ceil(max(opens, start))
        while at + length <= min(closes, end):
            candidates.append(at)
            at += _STEP
    if not candidates:
        return [], f"hours: {fleet.recovery.hours} leaves no {length} between {span}"
    free = [at for at in candidates if not _frozen(fleet, at, at + length)]
    if not free:
        why = "; ".join(f"{f.from_} to {f.to} ({f.why or 'freeze'})" for f in fleet.freezes)
        return [], f"freezes: {why} take every allowed hour between {span}"
    touched = {need.of, *need.clusters}
    clear = [at for at in free if not _patched(fleet, touched, at, at + length)]
    if not clear:
        return [], f"patch windows of {', '.join(sorted(touched))} take every allowed hour between {span}"
    return clear, ""


def _frozen(fleet: Fleet, start: datetime, end: datetime) -> bool:
    for freeze in fleet.freezes:
        first = _midnight(freeze.from_, fleet)
        after = _midnight(freeze.to + timedelta(days=1), fleet)
        if start < after and end > first:
            return True
    return False


def _midnight(day: date, fleet: Fleet) -> datetime:
    return datetime.combine(day, time(), fleet.tz)


def _patched(fleet: Fleet, names: set[str], start: datetime, end: datetime) -> bool:
    """Whether a declared patch window of one of them overlaps. ``always`` reserves no hour."""
    for name in names & set(fleet.patching):
        window = fleet.patching[name].window
        if not window.always and window.occurrences(start, end, fleet.tz):
            return True
    return False


def _ceil(at: datetime) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    whole -= timedelta(minutes=whole.minute % 30)
    return whole if whole >= at else whole + _STEP
