"""The runs of drills that are due, each with its hours, what they cost, and which rules forbid the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.assign import Wish
from quartermaster.planner.drill_needs import Need, Past, lost_by, needs
from quartermaster.planner.drill_risk import Rated, Risks
from quartermaster.planner.drill_rules import Rules
from quartermaster.planner.plan import ClusterPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quartermaster.fleet.schema import Fleet

__all__ = ["Candidates", "candidates", "instant"]

AGE = 0.01
"""Chance of too little capacity that is as bad as running a drill a whole cadence from its due day."""
DEMAND = 1e-3
"""What the highest demand weighs against chance: it decides between hours without risk."""
EARLIER = 1e-6
"""An hour of the day; of hours that are equal otherwise the earliest."""
_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """One run that is due, with all that its choice goes by. Arrays are parallel."""

    need: Need
    starts: NDArray[np.int64]
    """Minutes since 1970 UTC."""
    days: NDArray[np.int64]
    """Ordinals of their local days."""
    mask: NDArray[np.uint8]
    """Rules that forbid each start."""
    costs: NDArray[np.float64]
    rated: Rated

    def wish(self, *, without: int = 0) -> Wish:
        """As the assignment takes it: the hours that are allowed, or would be ``without`` these rules (a mask)."""
        at = self.open(without)
        ends = self.starts[at] + self.need.length // _MINUTE
        need = self.need
        return Wish(self.costs[at], self.days[at], self.starts[at], ends, need.domains, need.touched, need.urgency)

    def open(self, without: int = 0) -> NDArray[np.int64]:
        """Places of the starts that are allowed."""
        return np.flatnonzero((self.mask & ~np.uint8(without)) == 0)


def candidates(
    fleet: Fleet,
    stack: str,
    plans: Mapping[str, ClusterPlan],
    now: datetime,
    days: int,
    past: Mapping[tuple[str, str], Past],
    limits: Mapping[str, float],
) -> tuple[list[Candidates], list[tuple[str, str, str]], Rules]:
    """The runs that are due with their hours and costs, what may not run at all and why, and the rules."""
    start = _next_hour(now.astimezone(UTC))
    rules = Rules(fleet, start, start + timedelta(days=days))
    due, impossible = needs(fleet, stack, start.astimezone(fleet.tz).date(), days, past, limits)
    risks = Risks(plans, fleet.tz, rules.starts)
    walls = [instant(m).astimezone(fleet.tz) for m in rules.starts]
    ordinals = np.array([wall.toordinal() for wall in walls])
    early = EARLIER * np.array([wall.hour + wall.minute / 60 for wall in walls])
    found = []
    for need in due:
        rated = risks.rate(need, lost_by(need.kind, fleet.zones))
        away = np.abs(ordinals - need.wanted.toordinal()) / need.every_days
        costs = rated.risk + DEMAND * rated.demand + AGE * need.urgency * away + early
        found.append(Candidates(need, rules.starts, ordinals, rules.forbidden(need), costs, rated))
    return found, impossible, rules


def instant(minute: np.int64) -> datetime:
    """The instant of minutes since 1970 UTC."""
    return _EPOCH + int(minute) * _MINUTE


def _next_hour(at: datetime) -> datetime:
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(hours=1)
