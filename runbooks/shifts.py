"""What leaving a zone needs of the world: zonal shifts, and requests told apart by zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from quartermaster.fleet.zonal_shift import Shift

__all__ = ["Shifting", "ZoneCounter"]


class Shifting(Protocol):
    """The part of ``fleet.zonal_shift.ZonalShifts`` that drills use."""

    def managed(self, cluster: str) -> bool:
        """Whether its balancer takes shifts. Read-only."""
        ...

    def holding(self, cluster: str) -> Shift | None:
        """The shift that holds for its balancer. Read-only."""
        ...

    def start(self, cluster: str, zone: str, minutes: int, why: str) -> Shift:
        """Let its balancer send nothing new to the zone for so long."""
        ...

    def cancel(self, shift: Shift) -> None:
        """End it now."""
        ...


class ZoneCounter(Protocol):
    """Tells where a cluster's requests went."""

    def zones(self, cluster: str) -> Mapping[str, int]:
        """Zone → requests finished there, cumulative. Read-only."""
        ...
