"""What a capacity plan goes by, for one cluster: from fleet.yaml, or the defaults of its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Literal

from quartermaster.planner.calendar import Calendar, Occasion
from quartermaster.planner.capacity import Rules
from quartermaster.planner.purchase import Commitment

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.planning import Capacity
    from quartermaster.fleet.schema.servers import Scaling

__all__ = ["LEAD_MINUTES", "Settings", "calendar_of", "of_fleet"]

LEAD_MINUTES = 10.0
"""Launch to serving where nothing was measured: boot, first converge, and two health checks of 30 s, rounded up."""
_ASSUMED = "assumed: nothing was measured"


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
    lead_source: str = _ASSUMED
    changes_per_day: int = 12
    zones: int = 3
    smallest: int = 0
    largest: int | None = None
    """None: no limit is known."""
    cross_zone: bool = True
    """Whether the balancer sends requests of one zone to hosts of another."""
    instance: str = "m6i.large"
    region: str = "eu-west-1"
    zone: tzinfo = UTC
    """Of people: the day that ``changes_per_day`` counts in."""
    calendar: Calendar = field(default_factory=Calendar)
    """What its forecasts know of the days."""
    budget_per_month: float | None = None
    """For the cluster's instances, in the currency of the price table."""
    vcpu_quota: int | None = None
    """vCPUs of the account's quota that this cluster may take."""
    address_room: int | None = None
    """Hosts that the private subnets have addresses for, a zone lost; None where the network is not ours."""
    disk_gib: float | None = None
    commitments: tuple[Commitment, ...] = ()
    """What is paid for already."""
    tracking: float | None = None
    """How busy target tracking is told to keep hosts, as a share; 0: nothing tracks; None: as the plan says."""
    tracks: Literal["cpu", "requests", "none"] = "cpu"

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
            self.cross_zone,
        )


def of_fleet(fleet: Fleet, lead_measured: Mapping[str, float] | None = None) -> dict[str, tuple[str, Settings]]:
    """For each demand series: the cluster whose demand it is, and that cluster's settings.

    ``lead_measured`` gives minutes from launch to serving by cluster, where they were measured.
    """
    out = {}
    calendar = calendar_of(fleet)
    for name, cluster in fleet.clusters.items():
        series = _series_of(fleet, name)
        capacity = fleet.capacity_of(name)
        lead, source = LEAD_MINUTES, _ASSUMED
        if capacity.lead_minutes != "auto":
            lead, source = float(capacity.lead_minutes), "given"
        elif name in (lead_measured or {}):
            lead, source = (lead_measured or {})[name], "measured from launch to serving"
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
                lead_minutes=lead,
                lead_source=source,
                changes_per_day=capacity.changes_per_day,
                zones=fleet.zones,
                smallest=cluster.size.min,
                largest=cluster.size.max,
                cross_zone=cluster.balancer is None or cluster.balancer.cross_zone,
                instance=cluster.instance,
                region=fleet.region,
                zone=fleet.tz,
                calendar=calendar,
                budget_per_month=capacity.budget_per_month,
                vcpu_quota=capacity.vcpu_quota,
                address_room=_room(fleet, name),
                disk_gib=float(cluster.disk_gib),
                commitments=tuple(Commitment(c.instances, c.until) for c in capacity.commitments),
                tracking=_tracking(cluster.scaling, capacity),
                tracks=cluster.scaling.track,
            ),
        )
    return out


def calendar_of(fleet: Fleet) -> Calendar:
    """The fleet's clock, holidays and events, for its demand series."""
    events = tuple(
        Occasion(e.name, e.from_, e.to or e.from_, _series_of(fleet, e.of) if e.of else "", e.factor)
        for e in fleet.events
    )
    # Nobody who lives by UTC needs to say so; whoever says nothing may live by any clock.
    return Calendar(None if fleet.timezone == "UTC" else fleet.tz, fleet.holiday_code, events)


def _tracking(scaling: Scaling, capacity: Capacity) -> float | None:
    """How busy hosts are at the target that scaling gives; of requests, where it is known how many a host carries."""
    if scaling.track == "none":
        return 0.0
    if scaling.target is None:
        return None
    if scaling.track == "cpu":
        return min(scaling.target / 100, 1.0)
    if capacity.unit == "learn":
        return None
    return min(scaling.target / 60 / float(capacity.unit) * capacity.target_utilisation, 1.0)


def _series_of(fleet: Fleet, cluster: str) -> str:
    """The series that says what users ask of a cluster."""
    metric = fleet.metrics.demand.get(cluster)
    return metric.series if metric is not None and metric.series else cluster


def _room(fleet: Fleet, name: str) -> int | None:
    """Hosts of the cluster that its private subnets have addresses for, all else grown to its max and a zone lost."""
    from quartermaster.fleet.addresses import cut, needs, usable

    if fleet.network.vpc:
        return None
    private = next(subnet for tier, _, subnet in cut(fleet.network.cidr, fleet.zone_names()) if tier == "private")
    others = fleet.model_copy(update={"clusters": {n: c for n, c in fleet.clusters.items() if n != name}})
    left = max(1, fleet.zones - max(1, fleet.capacity_of(name).survive.zones))
    free = usable(private) - needs(others, fleet.zones)["private"].addresses
    # While a group evens out its zones it holds a tenth more than it should (fleet/addresses.py).
    return max(0, int(free / (1 / left + 0.1)))
