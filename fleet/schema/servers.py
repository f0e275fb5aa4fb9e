"""Clusters, their balancers and the databases."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quartermaster.fleet.schema.base import Instant, Model, Name

__all__ = ["Algorithm", "Balancer", "Cluster", "Database", "Image", "ScheduleEntry", "Size"]

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
    """With algorithm weighted: weight of each target group."""
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


class Cluster(Model):
    """Identical instances spread over the zones."""

    instance: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")] = "m6i.large"
    image: Image = Image()
    size: Size = Size()
    schedule: tuple[ScheduleEntry, ...] = ()
    """Floors by time, written by `ops capacity apply`."""
    role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")] = ""
    """The Ansible role that makes a host of this cluster; default: the cluster's name."""
    uses: tuple[Name, ...] = ()
    """Databases that it may reach: access and security groups follow."""
    balancer: Balancer | None = None


class Database(Model):
    """A database: a PostgreSQL instance with a standby, or a DynamoDB table."""

    engine: Literal["postgres", "dynamodb"] = "postgres"
    version: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] = "16"
    """Major version, quoted."""
    instance: Annotated[str, Field(pattern=r"^db\.[a-z][a-z0-9-]*\.[a-z0-9-]+$")] = "db.m6i.large"
    storage_gib: Annotated[int, Field(ge=20, le=65_536)] = 20
    standby: bool = True
    """A synchronous standby in another zone."""
    replicas: Annotated[int, Field(ge=0, le=15)] = 0
    """Read replicas."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,255}$")] = "id"
    """Partition key of a dynamodb table."""
