"""Which hour for which drill: the least chance that demand exceeds what is left, under every rule, and why.

Each run that is due takes one of the hours that the rules leave it, near its due day; no two touch the same failure
domain on one day, or share anything at the same time. Exact (`planner.assign`). What has no hour is named with the
rules in its way: those whose removal would give it one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.assign import Wish, assign
from quartermaster.planner.drill_blocked import in_the_way
from quartermaster.planner.drill_candidates import Candidates, candidates, instant
from quartermaster.planner.drill_needs import Need, Past, lost_by
from quartermaster.planner.plan import ClusterPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quartermaster.fleet.schema import Fleet

__all__ = ["DrillSchedule", "Infeasible", "ScheduledDrill", "schedule"]


@dataclass(frozen=True, slots=True)
class ScheduledDrill:
    """A drill with its hour."""

    kind: str
    of: str
    number: int
    """Of this drill's runs, as in :class:`Need`."""
    due: str
    starts_at: datetime
    ends_at: datetime
    risk: float | None
    """Chance that demand exceeds what is left; None where no forecast says."""
    why: str
    runner_up: str
    """The next best hour that the other drills leave, and its risk; empty where there was only one."""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "of": self.of,
            "number": self.number,
            "due": self.due,
            "starts_at": _iso(self.starts_at),
            "ends_at": _iso(self.ends_at),
            "risk": self.risk,
            "why": self.why,
            "runner_up": self.runner_up,
        }


@dataclass(frozen=True, slots=True)
class Infeasible:
    """A run for which there is no hour, and the rules that forbid it."""

    kind: str
    of: str
    rule: str
    """In words: the one whose removal would give it an hour; several where only all of them together would."""
    rules: tuple[tuple[str, ...], ...] = ()
    """Their names: every smallest set that would have to go."""

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "of": self.of, "rule": self.rule, "rules": [list(r) for r in self.rules]}


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
    past: Mapping[tuple[str, str], Past] | None = None,
    limits: Mapping[str, float] | None = None,
) -> DrillSchedule:
    """Choose hours for ``fleet.recovery.drills`` in the ``days`` from the next full hour on. Pure.

    ``plans`` are the capacity plans of clusters (those without one get no risk); ``past`` tells of earlier runs by
    (kind, of), ``limits`` how many seconds a kind may take at the most.
    """
    found, impossible, rules = candidates(fleet, stack, plans, now, days, past or {}, limits or {})
    wishes = [one.wish() for one in found]
    picks = assign(wishes)
    drills, infeasible = [], [Infeasible(kind, of, rule, (("allow",),)) for kind, of, rule in impossible]
    for at, (one, pick) in enumerate(zip(found, picks, strict=True)):
        if pick is None and rules.leave_later(one.need):
            continue  # it is due within the days, and may wait until after them
        if pick is None:
            infeasible.append(Infeasible(one.need.kind, one.need.of, *in_the_way(one, at, wishes, rules)))
        else:
            drills.append(_told(fleet, one, pick, _free(at, wishes, picks)))
    return DrillSchedule(tuple(sorted(drills, key=lambda d: (d.starts_at, d.kind, d.of))), tuple(infeasible))


def _free(at: int, wishes: Sequence[Wish], picks: Sequence[int | None]) -> NDArray[np.bool_]:
    """Options of the wish that the choices of the others leave it."""
    mine = wishes[at]
    free = np.ones(len(mine.costs), dtype=bool)
    for w, (wish, pick) in enumerate(zip(wishes, picks, strict=True)):
        if w == at or pick is None:
            continue
        if mine.domains & wish.domains:
            free &= mine.days != wish.days[pick]
        if mine.shares & wish.shares:
            free &= (mine.ends <= wish.starts[pick]) | (mine.starts >= wish.ends[pick])
    return free


def _told(fleet: Fleet, one: Candidates, pick: int, free: NDArray[np.bool_]) -> ScheduledDrill:
    need, starts, open_ = one.need, one.starts, one.open()
    place = int(open_[pick])
    at = instant(starts[place])
    risk, known = float(one.rated.risk[place]), one.rated.known
    order = open_[np.argsort(one.costs[open_], kind="stable")]
    others = [int(o) for o in order if o != place and free[np.searchsorted(open_, o)]]
    if known:
        why = f"{lost_by(need.kind, fleet.zones).words}: demand exceeds what is left with a chance {_percent(risk)}"
        why += f", demand at {one.rated.demand[place]:.0%} of its highest"
        why += f"; the best of {len(open_)} allowed hours"
    else:
        whose = ", ".join(need.clusters) or need.of
        why = f"no forecast for {whose}: risk unknown; the first of {len(open_)} allowed hours near the day it is due"
    if order[0] != place:
        why += f" that leave other drills theirs (alone: {_hour(fleet, starts[order[0]])})"
    why += f"; {_cadence(need, at.astimezone(fleet.tz).date().toordinal() - need.due.toordinal())}"
    runner_up = ""
    if others:
        chance = f" with a chance {_percent(float(one.rated.risk[others[0]]))}" if known else ""
        runner_up = _hour(fleet, starts[others[0]]) + chance
    return ScheduledDrill(
        need.kind,
        need.of,
        need.number,
        need.due.isoformat(),
        at,
        at + need.length,
        round(risk, 9) if known else None,
        why,
        runner_up,
    )


def _cadence(need: Need, away: int) -> str:
    """How it stands to the day on which it is due."""
    days = f"{abs(away)} day{'s' if abs(away) > 1 else ''}"
    near = f"{days} {'after' if away > 0 else 'before'} it is due" if away else "on the day it is due"
    text = f"{near} (every {need.every_days} days ± {need.tolerance_days})"
    return f"{text}; urgent: {need.reason}" if need.reason else text


def _hour(fleet: Fleet, minute: np.int64) -> str:
    return f"{instant(minute).astimezone(fleet.tz):%a %Y-%m-%d %H:%M %Z}"


def _percent(chance: float) -> str:
    return "below 0.01%" if chance < 1e-4 else f"of {chance:.2%}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
