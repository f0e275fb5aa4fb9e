"""What is known of the days that people live by: their clock, their holidays, and what was planned for which day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, tzinfo

__all__ = ["Calendar", "Occasion"]


@dataclass(frozen=True, slots=True)
class Occasion:
    """Days on which demand is not what it usually is: a sale, a launch, a match."""

    name: str
    starts: date
    """First day, by the local clock."""
    ends: date
    """Last day, included."""
    of: str = ""
    """The series it concerns; empty: all of them."""
    factor: float | None = None
    """On demand; None: learned from the past days of the same name."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar that forecasts go by."""

    zone: tzinfo | None = None
    """Of the people whose demand it is; None: inferred for each series from how its days moved with the clocks."""
    holidays: str = ""
    """Code of a country, or country and subdivision, as the holidays package names them (``DE``, ``DE-BY``)."""
    events: tuple[Occasion, ...] = ()
