"""What each coming hour asks of a cluster, as the patch plan is told it: the need, and chances that hosts are too few.

Plain values, made of a forecast elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quartermaster.playbooks.patch_waves import Need, Room

__all__ = ["Hour", "Outlook"]

_DAY, _WEEK = timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour, or one interval of a coarser forecast."""

    starts_at: datetime
    demand: float
    """The upper quantile, as a share of its highest in the outlook."""
    need: Need
    over: tuple[float, ...]
    """At n: the chance that demand exceeds what n hosts carry at target utilisation."""
    over_after_loss: tuple[float, ...]
    """At n: the same at the utilisation allowed after the loss of zones."""
    over_thinnest: tuple[float, ...] = ()
    """At n: the chance that it exceeds what every zone carries with n hosts; empty where requests cross zones."""

    def risk(self, rooms: Iterable[Room]) -> float:
        """The chance that demand exceeds what the wave that leaves least carries, zones lost included."""
        chances = [0.0]
        for room in rooms:
            chances += [_at(self.over, room.left), _at(self.over_after_loss, room.after_loss)]
            if self.over_thinnest:
                chances.append(_at(self.over_thinnest, room.thinnest))
        return max(chances)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The coming hours in order, without gaps, at least one."""

    hours: tuple[Hour, ...]
    width: timedelta
    source: str
    """Model and quantile."""

    def between(self, start: datetime, end: datetime) -> tuple[Hour, ...]:
        """The hours that ``[start, end]`` touches.

        Beyond the last one: the same hour of the week before, in an outlook of less than a week of the day before.
        """
        first = self.hours[0].starts_at
        low, high = (start - first) // self.width, (end - first) // self.width
        return tuple(self.hours[self._place(place)] for place in range(low, max(low, high) + 1))

    def need(self, start: datetime, end: datetime) -> Need:
        """The highest need of those hours."""
        needs = [hour.need for hour in self.between(start, end)]
        return Need(
            max(need.hosts or 0 for need in needs),
            max(need.after_zone_loss or 0 for need in needs),
            self.source,
            max(need.per_zone for need in needs),
        )

    def risk(self, start: datetime, end: datetime, rooms: Sequence[Room]) -> float:
        """A bound of the chance that in any of those hours demand exceeds what a wave leaves: their sum, at most 1."""
        return min(1.0, sum(hour.risk(rooms) for hour in self.between(start, end)))

    def _place(self, place: int) -> int:
        last, week, day = len(self.hours) - 1, _WEEK // self.width, _DAY // self.width
        back = max(1, week if week <= len(self.hours) else day)
        if place > last:
            place -= -(-(place - last) // back) * back
        return max(0, min(place, last))


def _at(chances: Sequence[float], hosts: int) -> float:
    return chances[min(hosts, len(chances) - 1)]
