"""Seasons and intervals of a regular series, as counts of steps."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DAY_US", "HOUR_US", "Seasons"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Seasons:
    """The periods that people give to demand; 1 where the interval does not divide them."""

    day: int
    week: int

    @classmethod
    def of_interval(cls, interval_us: int) -> Seasons:
        """Seasons of that interval: 24 and 168 for hours, 288 and 2016 for five minutes, 1 and 7 for days."""
        day = DAY_US // interval_us if DAY_US % interval_us == 0 else 1
        week = 7 * DAY_US // interval_us if (7 * DAY_US) % interval_us == 0 else 1
        return cls(day=day, week=week if week > 1 else 1)

    @property
    def cycle(self) -> int:
        """The shorter season that exists: the unit in which origins step and windows are counted."""
        if self.day > 1:
            return self.day
        return self.week
