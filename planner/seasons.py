"""Seasons and intervals of a regular series, as counts of steps."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DAY_US", "HOUR_US", "MONTH_US", "Seasons"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_YEAR_US = 31_556_952_000_000
MONTH_US = _YEAR_US // 12
"""On average; as an interval it stands for calendar months (planner/months.py)."""


@dataclass(frozen=True, slots=True)
class Seasons:
    """The periods that people give to demand; 1 where the interval does not divide them."""

    day: int
    week: int
    year: int = 1
    """Of intervals that have neither; days and shorter ones get theirs from planner/far.py."""

    @classmethod
    def of_interval(cls, interval_us: int) -> Seasons:
        """Seasons of that interval: 24 and 168 for hours, 288 and 2016 for five minutes, 1 and 7 for days.

        Weeks and months have the year: 52 and 12.
        """
        day = DAY_US // interval_us if DAY_US % interval_us == 0 else 1
        week = 7 * DAY_US // interval_us if (7 * DAY_US) % interval_us == 0 else 1
        year = round(_YEAR_US / interval_us) if interval_us > DAY_US and week <= 1 else 1
        return cls(day=day, week=max(week, 1), year=max(year, 1))

    @property
    def cycle(self) -> int:
        """The shorter season that exists: the unit in which origins step and windows are counted."""
        return next((steps for steps in (self.day, self.week) if steps > 1), self.year)
