"""Ways to provision, tried on a demand that came: what served at each step, what was short, what stood idle.

All are judged alike: instances are short where the demand of a step needs more, by the plan's own rules (a zone lost
included), than serve then. AWS's scalers know those rules only as a utilisation to hold: how many instances stand in
the fullest zone is nothing that their metric tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet.prices import HOURS_A_MONTH
from quartermaster.planner.capacity import Rules, requirement, tracking_count
from quartermaster.planner.scalers import IN_SHARE, STEP_MINUTES, predicted, tracked
from quartermaster.planner.together import lead_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Outcome", "Trial"]

_STATIC_DAYS = 28


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one way to provision did over the replayed hours."""

    under_hours: int
    """Hours in any part of which instances were short."""
    under_share: float
    under_time: float
    """Share of time, rather than of hours, in which they were short."""
    over_provisioning: float
    """Instance hours above what was needed, over those needed. What was short elsewhere is not set against it."""
    instance_hours: float
    cost_per_month: float | None
    """At list price; None where that is not known."""
    changes_per_day: float
    """How often the number of serving instances changed."""

    def better_than(self, other: Outcome) -> bool:
        """In no way worse (time and hours short, over-provisioning), and in some way better."""
        mine = (self.under_time, self.under_share, self.over_provisioning)
        its = (other.under_time, other.under_share, other.over_provisioning)
        return all(a <= b for a, b in zip(mine, its, strict=True)) and mine != its


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The demand that came, and what each way would have had to serve it."""

    rules: Rules
    lead_minutes: float
    history: NDArray[np.float64]
    """Demand by the interval, what came before the trial included."""
    count: int
    """Intervals of the trial, at the end of ``history``."""
    minutes: float
    """Length of an interval."""
    steps: NDArray[np.float64]
    """Demand of the trial in steps of ``STEP_MINUTES``."""
    price: float | None = None
    """Of an instance and hour."""

    def floors(self, floors: NDArray[np.int64], headroom: Sequence[float]) -> list[Outcome]:
        """By column: those floors, and above them target tracking that has so much headroom over the demand.

        Floors rise as a plan's do: before the interval, by what is left of the lead time beside whole ones. Within a
        day, as the next one's plan is not yet made.
        """
        _, minutes = lead_of(self.lead_minutes, self.minutes)
        days = self._spread(floors).reshape(-1, self._day * len(self.steps) // self.count, floors.shape[1])
        early = days.copy()
        for ahead in range(1, math.ceil(minutes / STEP_MINUTES - 1e-9) + 1):
            np.maximum(early[:, :-ahead], days[:, ahead:], out=early[:, :-ahead])
        return self._run(headroom, early.reshape(len(self.steps), -1))

    def static_peak(self, factors: Sequence[float], within: float) -> list[Outcome]:
        """A fixed number: what the highest interval of the four weeks before needed."""
        start = len(self.history) - self.count
        before = self.history[max(0, start - round(_STATIC_DAYS * 1440 / self.minutes)) : start]
        peak = float(np.nanmax(before)) * within if np.isfinite(before).any() else 0.0
        floors = np.tile(self.clip(requirement([peak * f for f in factors], self.rules)), (self.count, 1))
        return self.floors(floors, [0.0] * len(factors))

    def target_tracking(self, factors: Sequence[float]) -> list[Outcome]:
        """Target tracking alone, at the utilisation that the rules tell, on a group whose min survives."""
        return self.floors(np.full((self.count, len(factors)), self.least), factors)

    def predictive_scaling(self, factors: Sequence[float], within: NDArray[np.float64]) -> list[Outcome]:
        """The hourly forecast as a floor, launched ahead by the lead time, and target tracking beside it."""
        hours = max(1, round(self.minutes / 60))
        forecast = predicted(np.repeat(self.history, hours), (len(self.history) - self.count) * hours)
        ahead = forecast.reshape(-1, hours).max(axis=1) * within
        asked = np.stack([self.clip(tracking_count(ahead * f, self.rules)) for f in factors], axis=1)
        np.maximum(asked, self.least, out=asked)
        floors = self._spread(asked)
        lead = round(self.lead_minutes / STEP_MINUTES)
        early = np.concatenate([floors[lead:], np.repeat(floors[-1:], lead, axis=0)])
        return self._run(factors, early)

    @property
    def _day(self) -> int:
        """Intervals of a day."""
        return min(self.count, round(1440 / self.minutes))

    @property
    def least(self) -> int:
        """The min of a group that is to survive, within its limits."""
        return int(self.clip(np.array(self.rules.least)))

    def clip(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Within the group's limits."""
        return np.clip(counts, max(self.rules.smallest, 1), self.rules.largest)

    def _asked(self, factor: float) -> NDArray[np.int64]:
        """What tracking asks for at each step; where nothing was read the metric stands as it was."""
        last = np.maximum.accumulate(np.where(np.isfinite(self.steps), np.arange(len(self.steps)), 0))
        return self.clip(tracking_count(np.nan_to_num(self.steps[last]) * factor, self.rules))

    def _spread(self, floors: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.repeat(floors, len(self.steps) // len(floors), axis=0)

    def _run(self, headroom: Sequence[float], floors: NDArray[np.int64]) -> list[Outcome]:
        each_headroom, target = np.unique(headroom, return_inverse=True)
        wanted, kept = (np.stack([self._asked(h / share) for h in each_headroom], axis=1) for share in (1.0, IN_SHARE))
        serving = tracked(wanted, kept, target, floors, self.lead_minutes)
        told = np.isfinite(self.steps)
        needed = np.maximum(requirement(self.steps, self.rules), max(self.rules.smallest, 1))
        each = 60 // STEP_MINUTES
        known = max(int(told.reshape(-1, each).any(axis=1).sum()), 1)
        out = []
        for column in np.ascontiguousarray(serving.T):
            short = told & (column < needed)
            hours = int(short.reshape(-1, each).any(axis=1).sum())
            over = float(np.maximum(column - needed, 0)[told].sum() / needed[told].sum()) if told.any() else 0.0
            changes = float((np.diff(column) != 0).sum() / (len(column) * STEP_MINUTES / 1440))
            spent = float(column[told].sum() * STEP_MINUTES / 60)
            mean = float(column[told].mean()) if told.any() else 0.0
            cost = None if self.price is None else round(mean * self.price * HOURS_A_MONTH, 2)
            time = float(short.sum() / max(told.sum(), 1))
            out.append(Outcome(hours, hours / known, time, over, spent, cost, changes))
        return out
