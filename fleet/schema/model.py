"""The whole of fleet.yaml as one frozen value."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.holidays import country_of
from quartermaster.fleet.names import physical
from quartermaster.fleet.regions import zone_names
from quartermaster.fleet.schema.base import FleetName, Model, Name, Network4, SecretText, StackName, TimeZone
from quartermaster.fleet.schema.data import Bucket, Database
from quartermaster.fleet.schema.planning import Capacity, Event, Freeze, HolidayCode, Metrics, Patching
from quartermaster.fleet.schema.safety import (
    GENTLE,
    Adopted,
    Alarms,
    Backups,
    DrillKind,
    IgnoredDrift,
    Recovery,
    Waiver,
)
from quartermaster.fleet.schema.servers import Balancer, Cluster

__all__ = ["Ansible", "Dns", "Fleet", "Network", "Notify", "Stack"]


class Stack(Model):
    """One deployed copy of the fleet."""

    target: Literal["local", "aws"] = "local"
    """A stack has one target for life."""
    account: Annotated[str, Field(pattern=r"^\d{12}$")] = ""
    """Twelve digits, quoted; needed on aws."""
    protect: bool = False
    """True: destroy, drills and restores ask for the stack's name."""
    state: str = ""
    """Pulumi backend (s3://bucket, or Pulumi Cloud); on local the folder .ops/state."""
    journal: SecretText | None = None
    """PostgreSQL that holds the journal and the leases for all who work on the stack: secret:NAME, with the URL in the
    environment; left out: .ops/ops.db."""


class Network(Model):
    """The network of each stack: addresses for a new one, or the ids of one that exists."""

    cidr: Network4 = IPv4Network("10.20.0.0/16")
    recovery_cidr: Network4 | None = None
    """Of the copy in the recovery region."""
    nat: Literal["per_zone", "single", "none"] = "per_zone"
    """single costs less, and a lost zone takes the others' way out with it."""
    endpoints: tuple[Literal["s3", "dynamodb", "ssm"], ...] = ("s3", "dynamodb")
    """Ways to AWS that pass no NAT gateway: s3 and dynamodb cost nothing, ssm is billed by zone and hour."""
    vpc: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]+$")] = ""
    """An existing network instead: its id …"""
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")], ...] = ()
    """… and its subnets: a private one in each zone, a public one in each for balancers that face the internet, and
    one without a way out in each for databases, where there are such. Nothing of the network is changed."""


class Dns(Model):
    """Needed for TLS and failover records."""

    zone: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]
    """The hosted zone, e.g. shop.example."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")] = "www"


class Ansible(Model):
    """Own roles beside those that come with Quartermaster."""

    roles_path: str = ""
    """Folder of roles, beside fleet.yaml unless absolute."""
    vars: dict[str, Any] = Field(default_factory=dict)
    """Given to every role."""


class Notify(Model):
    """Who is told of what was done or overridden."""

    kind: Literal["webhook", "slack", "email", "sns"] = "webhook"
    url: SecretText | None = None
    """Where to: best as secret:NAME. slack: the address of an incoming webhook; email: mailtos://USER:PASSWORD@HOST?to=…"""
    topic: str = ""
    """sns: ARN of the topic."""
    on: tuple[str, ...] = ("*.failed", "*.stopped", "override", "patch.done", "drill.done")
    """What it is told of: KIND.STATE of a run as `ops history` shows them, * for any; and override."""


class Fleet(Model):
    """All that one fleet.yaml describes."""

    fleet: FleetName
    """Its name; part of the name of everything made."""
    timezone: TimeZone = "UTC"
    """Of people: windows, hours, freezes and times of day are read in it."""
    region: str = "eu-west-1"
    recovery_region: str = ""
    """Where copies of backups go, and where the fleet goes when the region is lost."""
    zones: Annotated[int, Field(ge=2, le=6)] = 3
    """How many zones of the region are used."""
    stacks: Annotated[dict[StackName, Stack], Field(min_length=1)] = Field(default_factory=lambda: {"dev": Stack()})
    network: Network = Network()
    dns: Dns | None = None
    clusters: dict[Name, Cluster] = Field(default_factory=dict)
    databases: dict[Name, Database] = Field(default_factory=dict)
    buckets: dict[Name, Bucket] = Field(default_factory=dict)
    backups: Backups = Backups()
    metrics: Metrics = Metrics()
    capacity: dict[Name, Capacity] = Field(default_factory=dict)
    """By cluster."""
    patching: dict[Name, Patching] = Field(default_factory=dict)
    """By cluster or database."""
    recovery: Recovery = Recovery()
    alarms: Alarms = Alarms()
    waivers: tuple[Waiver, ...] = ()
    """Policy rules set aside."""
    ignore_drift: tuple[IgnoredDrift, ...] = ()
    adopted: tuple[Adopted, ...] = ()
    """What was there before the fleet; written by `ops adopt`."""
    account_baseline: Literal["none", "create"] = "none"
    """create: services that an account has once, such as CloudTrail, are this fleet's to make."""
    freezes: tuple[Freeze, ...] = ()
    holidays: HolidayCode = "auto"
    """Days on which demand is another: of a country (IE) or a part of it (US-CA); none; auto: by timezone."""
    events: tuple[Event, ...] = ()
    """Planned: sales, launches, matches."""
    ansible: Ansible = Ansible()
    notify: tuple[Notify, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _role_is_the_clusters_name(cls, value: Any) -> Any:
        clusters = value.get("clusters") if isinstance(value, dict) else None
        if not isinstance(clusters, dict):
            return value
        filled = {
            name: {"role": name.replace("-", "_"), **(cluster or {})}
            if isinstance(name, str) and (cluster is None or isinstance(cluster, dict))
            else cluster
            for name, cluster in clusters.items()
        }
        return {**value, "clusters": filled}

    @property
    def tz(self) -> ZoneInfo:
        """The fleet's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def holiday_code(self) -> str:
        """The calendar of holidays that holds, as a code; empty where none does."""
        if self.holidays == "auto":
            return country_of(self.timezone)
        return "" if self.holidays == "none" else self.holidays

    def zone_names(self, *, recovery: bool = False) -> tuple[str, ...]:
        """The zones of the fleet's own network, e.g. ``("eu-west-1a", …)``; of that in the recovery region on request
        (KeyError without one). In a network that exists they are those of its subnets, which the cloud alone knows: ask
        a group for its zones, or ``infra.existing``. Raises ValueError there."""
        if self.network.vpc and not recovery:
            raise ValueError(f"which zones the subnets of {self.network.vpc} are in, the cloud alone knows")
        return zone_names(self.recovery_region if recovery else self.region)[: self.zones]

    @property
    def postgres(self) -> tuple[str, ...]:
        """The databases that have servers, so maintenance, zones and points in time; a table of DynamoDB has none."""
        return tuple(name for name, declared in self.databases.items() if declared.engine == "postgres")

    @property
    def survives_region(self) -> bool:
        """Does any objective say how long the loss of the region may last?"""
        return any(objectives.region is not None for objectives in self.recovery.objectives.values())

    def balancer_of(self, cluster: str) -> tuple[str, Balancer] | None:
        """The balancer that a cluster's hosts stand behind and whose it is: its own, or that which gives it a share."""
        for owner in (cluster, *self.clusters):
            balancer = self.clusters[owner].balancer
            if balancer is not None and (owner == cluster or cluster in balancer.weights):
                return owner, balancer
        return None

    def balancer_name(self, stack: str, cluster: str) -> str:
        """What AWS calls the cluster's own balancer: as it was called before the fleet, else by our name."""
        # arn:…:loadbalancer/app/NAME/HASH
        kept = (
            item.id.split("/")[-2]
            for item in self.adopted
            if (item.type, item.name) == ("aws:lb/loadBalancer:LoadBalancer", cluster)
        )
        return next(kept, physical(self.fleet, stack, cluster, limit=32))

    def capacity_of(self, cluster: str) -> Capacity:
        """The cluster's capacity settings, or the defaults."""
        return self.capacity.get(cluster, Capacity())

    def patching_of(self, name: str) -> Patching:
        """The patching settings of a cluster or database, or the defaults."""
        return self.patching.get(name, Patching())

    def allowed_drills(self, stack: str) -> tuple[DrillKind, ...] | None:
        """The kinds of drill that the stack permits; None: all of them."""
        declared = self.recovery.allow.get(stack)
        if declared is not None:
            return declared
        return GENTLE if self.stacks[stack].protect else None

    def resolve_stack(self, name: str | None = None) -> str:
        """The stack meant: the one named, else the only one, else ``dev``. Raises InputError naming those there are."""
        known = ", ".join(self.stacks)
        if name is not None:
            if name not in self.stacks:
                raise InputError(f"no stack {name!r} in fleet {self.fleet}", remedy=f"--stack with one of: {known}")
            return name
        if len(self.stacks) == 1:
            return next(iter(self.stacks))
        if "dev" not in self.stacks:
            raise InputError("several stacks and none is called dev", remedy=f"--stack with one of: {known}")
        return "dev"
