"""What the planner found out about its input, and says: nothing is handled in silence."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Finding", "Refusal"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing met within a series, handled, and reported."""

    series: str
    kind: str
    """``duplicate``, ``out_of_order``, ``irregular``, ``gap``, ``negative``, ``stuck``, ``spike``, ``absurd``, ..."""
    where: str
    """The first place: an ISO instant in UTC, or a range ``first/last``."""
    rows: int
    """How many readings it concerns."""
    detail: str
    """What was seen and what was done about it."""
    remedy: str
    """What the user can do at the source."""

    def to_json(self) -> dict[str, str | int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A series that gets no forecast, or a model that was not used, with its reason."""

    name: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)
