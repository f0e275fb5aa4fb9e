"""What the planner found out about its input, and says: nothing is handled in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

__all__ = ["Finding", "Refusal", "found_lines"]


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


def found_lines(findings: Iterable[Mapping[str, Any]], most: int = 20) -> str:
    """Findings, as their JSON has them, for a terminal: a line each, and how many more there are."""
    told = list(islice(findings, most + 1))
    text = "".join(f"found in {f['series']} at {f['where']}: {f['detail']} ({f['remedy']})\n" for f in told[:most])
    return text + ("there is more: --json tells all\n" if len(told) > most else "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A series that gets no forecast, or a model that was not used, with its reason."""

    name: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)
