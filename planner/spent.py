"""What a stack costs, how that came about, and what the plan makes of it. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Moved", "Spent"]


@dataclass(frozen=True, slots=True)
class Moved:
    """A run of ``ops provision up`` that moved the cost."""

    run: str
    ended_at: datetime | None
    delta_per_month: float
    per_month: float
    """As it left it."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of a stack a month, usage charges not included."""

    now: Mapping[str, Any] | None
    """``cost_per_month`` of the last ``ops provision up --json``; None: there was none."""
    at: datetime | None
    """When that ended."""
    past: Sequence[Moved]
    """Oldest first."""
    planned: Mapping[str, Mapping[str, Any]]
    """By cluster: ``planner.prices.Cost`` of its last plan as a JSON object."""

    def share(self, moved: Moved) -> float:
        """That cost in hundredths of the highest there was."""
        return round(100 * moved.per_month / (max(one.per_month for one in self.past) or 1.0), 1)
