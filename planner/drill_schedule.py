"""Which hour for which drill: the least chance that demand exceeds what is left, under every rule, and why.

Exact (HiGHS, mixed integer): each drill takes one of its allowed hours, keeps its cadence, and no two drills touch the
same failure domain on one day. What no hour allows, or what must stay out, is named with the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.planner.assign import Wish, assign
from quartermaster.planner.drill_rules import DURATION, Need, allowed_starts, lost_by, needs
from quartermaster.planner.hourly import Hourly
from quartermaster.planner.plan import ClusterPlan
from quartermaster.planner.windows import Slot, capacity_left, slots

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["DrillSchedule", "Infeasible", "ScheduledDrill", "schedule"]


@dataclass(frozen=True, slots=True)
class ScheduledDrill:
    """A drill with its hour."""

    kind: str
    of: str
    starts_at: datetime
    ends_at: datetime
    risk: float | None
    """Chance that demand exceeds what is left; None where no forecast says."""
    why: str
    runner_up: str
    """The next best hour and its risk; empty where there was only one."""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "of": self.of,
            "starts_at": _iso(self.starts_at),
            "ends_at": _iso(self.ends_at),
            "risk": self.risk,
            "why": self.why,
            "runner_up": self.runner_up,
        }


@dataclass(frozen=True, slots=True)
class Infeasible:
    """A drill for which there is no hour, and the rule that forbids it."""

    kind: str
    of: str
    rule: str

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "of": self.of, "rule": self.rule}


@dataclass(frozen=True, slots=True)
class DrillSchedule:
    """What ``ops drill schedule`` shows."""

    drills: tuple[ScheduledDrill, ...]
    infeasible: tuple[Infeasible, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "drills": [d.to_json() for d in self.drills],
            "infeasible": [i.to_json() for i in self.infeasible],
        }


def schedule(
    fleet: Fleet,
    stack: str,
    plans: Mapping[str, ClusterPlan],
    now: datetime,
    days: int = 14,
    last_runs: Mapping[tuple[str, str], datetime] | None = None,
) -> DrillSchedule:
    """Choose hours for ``fleet.recovery.drills`` in the ``days`` from the next full hour on. Pure.

    ``plans`` are the capacity plans of clusters (those without one get no risk); ``last_runs`` says when (kind, of) was
    last drilled, for the cadence.
    """
    start = _next_hour(now.astimezone(UTC))
    end = start + timedelta(days=days)
    wanted, impossible = needs(fleet, stack, start, days, last_runs or {})
    infeasible = [Infeasible(kind, of, rule) for kind, of, rule in impossible]
    options: list[list[Slot]] = []
    rated: list[bool] = []
    kept: list[Need] = []
    for need in wanted:
        starts, rule = allowed_starts(fleet, need, start, end)
        if not starts:
            infeasible.append(Infeasible(need.kind, need.of, rule))
            continue
        found, known = _options(fleet, need, plans, starts)
        kept.append(need)
        options.append(found)
        rated.append(known)
    wishes = [
        Wish(
            [_cost(s) for s in found],
            [(s.starts_at.astimezone(fleet.tz).date() - start.astimezone(fleet.tz).date()).days for s in found],
            need.domains,
            need.due_day,
            (need.kind, need.of),
        )
        for need, found in zip(kept, options, strict=True)
    ]
    chosen = assign(wishes)
    drills = []
    for need, found, known, pick in zip(kept, options, rated, chosen, strict=True):
        if pick is None:
            rule = "one drill per failure domain and day: every allowed day is taken by a drill that is due sooner"
            infeasible.append(Infeasible(need.kind, need.of, rule))
        else:
            drills.append(_told(fleet, need, found, known, pick, start))
    return DrillSchedule(tuple(sorted(drills, key=lambda d: (d.starts_at, d.kind, d.of))), tuple(infeasible))


def _options(
    fleet: Fleet, need: Need, plans: Mapping[str, ClusterPlan], starts: Sequence[datetime]
) -> tuple[list[Slot], bool]:
    """The allowed slots with their risk, and whether any forecast rates them."""
    duration = DURATION[need.kind]
    best: dict[datetime, Slot] = {}
    for plan in (plans[c] for c in need.clusters if c in plans):
        loss = lost_by(need.kind, fleet.zones)
        left = capacity_left(plan, zones_lost=loss.zones, instances_lost=loss.instances)
        for slot in _extended(slots(plan.forecast, left, duration), plan.forecast, starts):
            worse = best.get(slot.starts_at)
            if worse is None or (slot.risk, slot.demand) > (worse.risk, worse.demand):
                best[slot.starts_at] = slot
    known = bool(best)
    return [best.get(s) or Slot(s, s + duration, 0.0, 0.0) for s in starts], known


def _extended(rated: Sequence[Slot], hours: Hourly, starts: Sequence[datetime]) -> list[Slot]:
    """Ratings at the wanted starts; beyond the forecast those of the same hour in its last week."""
    if not rated:
        return []
    by_start = {s.starts_at: s for s in rated}
    duration = rated[0].ends_at - rated[0].starts_at
    width = timedelta(minutes=hours.interval_minutes)
    first, week = rated[0].starts_at, timedelta(weeks=1)
    out = []
    for at in starts:
        # Onto the grid of the forecast, then back by weeks until there is a rating.
        inside = first + ((at - first) // width) * width
        while inside > rated[-1].starts_at and inside - week >= first:
            inside -= week
        found = by_start.get(inside) or max(rated, key=lambda s: s.risk)
        out.append(Slot(at, at + duration, found.risk, found.demand))
    return out


def _told(fleet: Fleet, need: Need, found: Sequence[Slot], known: bool, pick: int, start: datetime) -> ScheduledDrill:
    slot = found[pick]
    loss = lost_by(need.kind, fleet.zones)
    order = sorted(range(len(found)), key=lambda i: (_cost(found[i]), found[i].starts_at))
    other = next((found[i] for i in order if i != pick), None)
    if known:
        why = f"{loss.words}: demand exceeds what is left with a chance {_percent(slot.risk)}"
        why += f", demand at {slot.demand:.0%} of its highest"
        if order[0] != pick:
            why += f"; the best of {len(found)} allowed hours that leaves other drills and its cadence their day"
        else:
            why += f"; the best of {len(found)} allowed hours"
    else:
        whose = ", ".join(need.clusters) or need.of
        why = f"no forecast for {whose}: risk unknown; the first of {len(found)} allowed hours"
    late = (slot.starts_at - start).days - need.due_day
    if late > 0:
        why += f"; {late} days after it is due (every {need.every_days} days): no earlier hour is allowed"
    runner_up = ""
    if other is not None:
        risk = f" with a chance {_percent(other.risk)}" if known else ""
        runner_up = f"{other.starts_at.astimezone(fleet.tz):%a %Y-%m-%d %H:%M %Z}{risk}"
    return ScheduledDrill(
        need.kind, need.of, slot.starts_at, slot.ends_at, round(slot.risk, 9) if known else None, why, runner_up
    )


def _cost(slot: Slot) -> float:
    """Risk first; among equals the hour of least demand."""
    return slot.risk + 1e-3 * slot.demand


def _percent(chance: float) -> str:
    return "below 0.01%" if chance < 1e-4 else f"of {chance:.2%}"


def _next_hour(at: datetime) -> datetime:
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(hours=1)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
