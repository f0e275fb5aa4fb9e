"""What a capacity plan goes by, for one cluster: from fleet.yaml, or the defaults of its schema."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from quartermaster.planner.capacity import Rules

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["LEAD_MINUTES", "Settings", "of_fleet"]

LEAD_MINUTES = 10.0
"""Launch to serving where nothing was measured: boot, first converge, and two health checks of 30 s, rounded up."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Capacity settings of one cluster."""

    unit: float | None = None
    """Demand one instance carries at target utilisation; None: learn it."""
    unit_is_per_second: bool = False
    """Whether ``unit`` is per second whatever the series counts in (so in fleet.yaml), rather than in its own unit."""
    target_utilisation: float = 0.6
    lost_zones: int = 1
    at_utilisation: float = 0.85
    quantile: float = 0.99
    horizon_days: int = 14
    lead_minutes: float = LEAD_MINUTES
    changes_per_day: int = 6
    zones: int = 3
    smallest: int = 0
    largest: int | None = None
    """None: no limit is known."""
    instance: str = "m6i.large"
    region: str = "eu-west-1"
    zone: tzinfo = UTC
    """Of people: the day that ``changes_per_day`` counts in."""

    def rules(self, unit: float) -> Rules:
        """The pure part, for a unit capacity in the series' own unit. Raises InputError for impossible settings."""
        return Rules(
            unit,
            self.zones,
            self.lost_zones,
            self.target_utilisation,
            self.at_utilisation,
            self.smallest,
            self.largest,
        )


def of_fleet(fleet: Fleet) -> dict[str, tuple[str, Settings]]:
    """For each demand series: the cluster whose demand it is, and that cluster's settings."""
    out = {}
    for name, cluster in fleet.clusters.items():
        metric = fleet.metrics.demand.get(name)
        series = metric.series if metric is not None and metric.series else name
        capacity = fleet.capacity_of(name)
        out[series] = (
            name,
            Settings(
                unit=None if capacity.unit == "learn" else float(capacity.unit),
                unit_is_per_second=True,
                target_utilisation=capacity.target_utilisation,
                lost_zones=capacity.survive.zones,
                at_utilisation=capacity.survive.at_utilisation,
                quantile=capacity.quantile,
                horizon_days=capacity.horizon_days,
                lead_minutes=LEAD_MINUTES if capacity.lead_minutes == "auto" else float(capacity.lead_minutes),
                changes_per_day=capacity.changes_per_day,
                zones=fleet.zones,
                smallest=cluster.size.min,
                largest=cluster.size.max,
                instance=cluster.instance,
                region=fleet.region,
                zone=fleet.tz,
            ),
        )
    return out
