"""Clusters and their balancers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quartermaster.fleet.schema.base import Instant, Model, Name

__all__ = ["Algorithm", "Balancer", "Cluster", "Image", "Scaling", "ScheduleEntry", "Size"]

Algorithm = Literal[
    "round_robin", "least_outstanding_requests", "weighted_random", "weighted", "source_ip", "flow_hash"
]


class Image(Model):
    """Where a host's system comes from."""

    family: Literal["debian-12", "debian-13", "amazon-linux-2023", "ubuntu-24.04"] = "debian-12"
    """Its newest image at the time of `up`."""
    id: str = ""
    """One image by id (ami-…) rather than the newest of the family."""


class Size(Model):
    """How many hosts. What the group holds between the two is the scaler's business, never reset by `up`."""

    min: Annotated[int, Field(ge=0, le=10_000)] = 3
    max: Annotated[int, Field(ge=1, le=10_000)] = 6


class ScheduleEntry(Model):
    """From then on at least that many hosts; written by `ops capacity apply`."""

    cron: str = ""
    """Minute, hour, day of month, month, day of week, in the fleet's timezone."""
    at: Instant | None = None
    """Or once, at this instant."""
    min: Annotated[int, Field(ge=0, le=10_000)]


class Balancer(Model):
    """The load balancer before a cluster."""

    kind: Literal["application", "network"] = "application"
    algorithm: Algorithm = "least_outstanding_requests"
    """network balancers: flow_hash (their default) or source_ip."""
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    """The port it listens on, and that of the hosts."""
    health: str = "/healthz"
    """Path that answers 200 on a healthy host."""
    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    slow_start_seconds: Annotated[int, Field(ge=0, le=900)] = 0
    """Ramp up of a new host's share; 0 is off, else 30 to 900."""
    anomaly_mitigation: bool = False
    """Steer away from hosts that answer with more errors than the others."""
    weights: dict[Name, Annotated[int, Field(ge=0, le=999)]] = Field(default_factory=dict)
    """With algorithm weighted: the share of each cluster, of this one and of those that have no balancer themselves
    (canary, blue and green)."""
    sticky_seconds: Annotated[int, Field(ge=0, le=604_800)] = 0
    """application: a client stays with its host so long; 0 is off."""
    idle_seconds: Annotated[int, Field(ge=1, le=4_000)] | Literal["auto"] = "auto"
    """application: how long an idle connection is kept; auto: as the zone objective allows. Hosts keep them longer."""
    check_seconds: Annotated[int, Field(ge=5, le=300)] = 5
    """Between two health checks of a host."""
    unhealthy_after: Annotated[int, Field(ge=2, le=10)] = 2
    """Failed checks in a row until a host gets no more requests."""
    healthy_after: Annotated[int, Field(ge=2, le=10)] = 2
    """Good checks in a row until it gets them again."""
    access_logs: bool = True
    """Every request in the log bucket, kept for 30 days."""
    cross_zone: bool = True
    """False: each zone's share goes to the hosts of that zone only."""
    internal: bool = False
    """True: reachable from inside the network only."""

    @model_validator(mode="before")
    @classmethod
    def _default_of_the_kind(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("kind") == "network" and "algorithm" not in value:
            return {**value, "algorithm": "flow_hash"}
        return value


class Scaling(Model):
    """What raises a group above its floor when demand is more than was planned."""

    track: Literal["cpu", "requests", "none"] = "cpu"
    """Target tracking of mean CPU, or of requests per host and minute; needs a balancer for the latter."""
    target: Annotated[float | None, Field(gt=0)] = None
    """Percent of CPU, or requests per host and minute; default: `planned_utilisation` of the one or other."""
    planned_utilisation: Annotated[float | None, Field(gt=0, le=1)] = None
    """How busy tracking keeps hosts where no `target` is given, as a share; written by `ops capacity apply`.

    Default: capacity's target_utilisation.
    """
    predictive: Literal["off", "forecast_only", "forecast_and_scale"] = "off"
    """AWS predictive scaling; forecast_only is for comparison and changes nothing."""
    warm_hosts: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Stopped hosts, ready made, that start in place of new ones."""


class Cluster(Model):
    """Identical instances spread over the zones."""

    instance: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")] = "m6i.large"
    image: Image = Image()
    size: Size = Size()
    schedule: tuple[ScheduleEntry, ...] = ()
    """Floors by time, written by `ops capacity apply`."""
    scaling: Scaling = Scaling()
    disk_gib: Annotated[int, Field(ge=8, le=16_384)] = 20
    """Of each host's encrypted system volume."""
    role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")] = ""
    """The Ansible role that makes a host of this cluster; default: the cluster's name."""
    uses: tuple[Name, ...] = ()
    """Databases and buckets that it may reach: access and security groups follow."""
    balancer: Balancer | None = None
