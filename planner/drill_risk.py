"""The chance that demand exceeds what a drill leaves; beyond the forecast that of the same hour in its last week."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.drill_needs import Loss, Need
from quartermaster.planner.hourly import Hourly
from quartermaster.planner.plan import ClusterPlan
from quartermaster.planner.windows import capacity_left, exceedance

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rated", "Risks"]

_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(weeks=1) // _MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """What the forecasts say of each start."""

    risk: NDArray[np.float64]
    """Upper bound of the chance that demand exceeds what is left: sum over the hours touched, at most 1; of several
    clusters that of the worst."""
    demand: NDArray[np.float64]
    """Highest expected demand within, as a share of the highest forecast."""
    known: bool
    """Whether any forecast says."""


class Risks:
    """Ratings of ``starts`` (minutes since 1970 UTC). Keeps what it has worked out.

    Beyond a forecast weeks are counted back by the clock of ``zone``; where it is shorter than a week, its worst hour
    stands for those that it does not know.
    """

    def __init__(self, plans: Mapping[str, ClusterPlan], zone: tzinfo, starts: NDArray[np.int64]) -> None:
        self._plans, self._zone, self._starts = plans, zone, starts
        self._chances: dict[tuple[str, int, int], NDArray[np.float64]] = {}
        self._places: dict[tuple[datetime, int, float, int], NDArray[np.int64]] = {}
        self._rated: dict[tuple[Loss, timedelta, tuple[str, ...]], Rated] = {}

    def rate(self, need: Need, loss: Loss) -> Rated:
        """Ratings of all starts for a drill that takes that much away."""
        key = (loss, need.length, need.clusters)
        if key not in self._rated:
            self._rated[key] = self._rate(need, loss)
        return self._rated[key]

    def _rate(self, need: Need, loss: Loss) -> Rated:
        risk, demand = np.zeros(len(self._starts)), np.zeros(len(self._starts))
        known = [name for name in need.clusters if name in self._plans]
        for name in known:
            hours = self._plans[name].forecast
            chances, level = self._hours(name, loss), hours.mean / (float(np.nanmax(hours.mean)) or 1.0)
            total, highest = np.zeros(len(self._starts)), np.zeros(len(self._starts))
            # The last hour is one more where a drill begins within an hour; a part of an hour counts as all of it.
            reached = (self._offset(hours) + need.length // _MINUTE - 1) // int(hours.interval_minutes)
            for step in range(int(reached.max(initial=0)) + 1):
                place = self._place(hours, step)
                place = np.where(place < 0, int(np.argmax(chances)), place)
                within = step <= reached
                total += np.where(within, chances[place], 0.0)
                highest = np.maximum(highest, np.where(within, level[place], 0.0))
            risk, demand = np.maximum(risk, np.minimum(total, 1.0)), np.maximum(demand, highest)
        return Rated(risk, demand, bool(known))

    def _hours(self, name: str, loss: Loss) -> NDArray[np.float64]:
        """The chance in each hour of the forecast."""
        key = (name, loss.zones, loss.instances)
        if key not in self._chances:
            plan = self._plans[name]
            left = capacity_left(plan, zones_lost=loss.zones, instances_lost=loss.instances)
            pairs = zip(plan.forecast.quantiles, left, strict=True)
            self._chances[key] = np.array([exceedance(list(q), plan.forecast.levels, c) for q, c in pairs])
        return self._chances[key]

    def _offset(self, hours: Hourly) -> NDArray[np.int64]:
        """Minutes of each start since its hour of the forecast began."""
        offset: NDArray[np.int64] = (self._starts - _minute(hours.times[0])) % int(hours.interval_minutes)
        return offset

    def _place(self, hours: Hourly, step: int) -> NDArray[np.int64]:
        """Index of the forecast's hour ``step`` hours after each start's own; -1: it knows none like it."""
        first, count, width = hours.times[0], len(hours.times), int(hours.interval_minutes)
        key = (first, count, width, step)
        if key not in self._places:
            begin = _minute(first)
            end = begin + count * width
            at = self._starts - self._offset(hours) + step * width
            weeks = np.maximum(0, (at - end) // _WEEK + 1)
            then = at - weeks * _WEEK
            then = then + self._ahead(at) - self._ahead(then)  # the same time on the wall
            then = np.where(then >= end, then - _WEEK, then)  # a change of clocks pushed it over the edge
            self._places[key] = np.where(then >= begin, (then - begin) // width, -1)
        return self._places[key]

    def _ahead(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Minutes that people's clocks are ahead of UTC then."""
        local = ((_EPOCH + int(m) * _MINUTE).astimezone(self._zone).utcoffset() for m in minutes)
        return np.array([(offset or timedelta()) // _MINUTE for offset in local], dtype=np.int64)


def _minute(at: datetime) -> int:
    return (at - _EPOCH) // _MINUTE
