"""What a stack looks like before anything is made: zones, address ranges, names and tags as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from quartermaster.fleet.addresses import LEAST_PREFIX, Tier, cut
from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.names import physical, tags

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.safety import Adopted

__all__ = [
    "DATABASE", "GROUP", "PROJECT_TYPE", "TABLE", "Layout", "Subnet", "Tier", "bucket_name", "layout",
    "recovery_layout", "urn", "urn_tag",
]  # fmt: skip

PROJECT_TYPE = "ops:infra"
"""Prefix of our component types."""
GROUP, DATABASE, TABLE = "aws:autoscaling/group:Group", "aws:rds/instance:Instance", "aws:dynamodb/table:Table"
"""What has a name that others must know, and may have had it before the fleet."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """One subnet of one zone."""

    tier: Tier
    zone: str
    cidr: IPv4Network
    id: str = ""
    """Of one that exists; empty: ours to make."""

    @property
    def name(self) -> str:
        """Logical name: tier and the zone's letter, e.g. ``private-a``."""
        return f"{self.tier}-{self.zone[-1]}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things go and what they are called."""

    fleet: str
    stack: str
    region: str
    zones: tuple[str, ...]
    cidr: IPv4Network
    subnets: tuple[Subnet, ...]
    nat_zones: tuple[str, ...]
    """Zones with a NAT gateway; empty: private subnets have no way out."""
    protect: bool
    """What holds data is protected from deletion."""
    vpc: str = ""
    """Id of a network that exists; empty: ours to make."""
    recovery: bool = False
    """Is this the copy in the recovery region?"""
    adopted: tuple[Adopted, ...] = ()
    """What was there before the fleet, and keeps its name."""

    def of(self, tier: Tier) -> tuple[Subnet, ...]:
        """The tier's subnets in the order of zones."""
        return tuple(subnet for subnet in self.subnets if subnet.tier == tier)

    def nat_of(self, zone: str) -> str | None:
        """The zone whose NAT gateway serves this zone: its own where it has one."""
        if zone in self.nat_zones:
            return zone
        return self.nat_zones[0] if self.nat_zones else None

    def name(self, part: str = "", *, limit: int = 63) -> str:
        """The physical name of a part. That of the copy in the recovery region is another: IAM and S3 know no regions,
        and whoever is woken at night sees at once which of the two it is."""
        place = "recovery" if self.recovery else ""
        return physical(self.fleet, self.stack, "-".join(filter(None, (place, part))), limit=limit)

    def called(self, type_: str, part: str) -> str:
        """What AWS calls a group, a table or a database: as it was called before the fleet, else by our name."""
        kept = (item.id for item in self.adopted if (item.type, item.name) == (type_, part))
        return next(kept, self.name(part))

    def tags(self, cluster: str = "") -> Mapping[str, str]:
        """Tags that everything carries."""
        return tags(self.fleet, self.stack, cluster)


def bucket_name(layout: Layout, account: str) -> str:
    """The stack's own bucket. Bucket names are shared by everyone on AWS: the account's number makes it ours."""
    return layout.name(f"ops-{account}")


def layout(fleet: Fleet, stack: str) -> Layout:
    """The layout of one stack. Raises InputError when the range is too small for its subnets.

    Into an existing network it has no zones and subnets yet: which there are, ``infra.existing`` reads from the cloud.
    """
    network, existing = fleet.network, bool(fleet.network.vpc)
    zones = () if existing else fleet.zone_names()
    return Layout(
        fleet=fleet.fleet,
        stack=stack,
        region=fleet.region,
        zones=zones,
        cidr=network.cidr,
        subnets=() if existing else _subnets("network.cidr", network.cidr, zones),
        nat_zones=() if existing else _nat_zones(fleet, zones),
        protect=fleet.stacks[stack].protect,
        vpc=network.vpc,
        adopted=fleet.adopted,
    )


def recovery_layout(fleet: Fleet, stack: str) -> Layout | None:
    """The layout of the pilot light in the recovery region; None where the fleet has none.

    It has one when a region objective says that losing the region must be survived, and a range to do it in.
    """
    cidr = fleet.network.recovery_cidr
    if cidr is None or not fleet.recovery_region or not fleet.survives_region:
        return None
    zones = fleet.zone_names(recovery=True)
    return Layout(
        fleet=fleet.fleet,
        stack=stack,
        region=fleet.recovery_region,
        zones=zones,
        cidr=cidr,
        subnets=_subnets("network.recovery_cidr", cidr, zones),
        nat_zones=_nat_zones(fleet, zones),
        protect=fleet.stacks[stack].protect,
        recovery=True,
    )


def _nat_zones(fleet: Fleet, zones: tuple[str, ...]) -> tuple[str, ...]:
    return {"per_zone": zones, "single": zones[:1], "none": ()}[fleet.network.nat]


def _subnets(where: str, cidr: IPv4Network, zones: tuple[str, ...]) -> tuple[Subnet, ...]:
    if cidr.prefixlen > LEAST_PREFIX:
        problem = f"{cidr} is too small for a public, a private and a data subnet in each zone"
        raise InputError(problem, [Fault(where, problem, f"a range of /16 to /{LEAST_PREFIX}")])
    return tuple(Subnet(tier, zone, part) for tier, zone, part in cut(cidr, zones))


def urn(stack: str, project: str, types: str, name: str) -> str:
    """A resource's URN; ``types`` is the chain of types from its outermost parent, joined by ``$``."""
    return f"urn:pulumi:{stack}::{project}::{types}::{name}"


def urn_tag(urn_: str) -> str:
    """The URN as the value of the tag ``ops:urn``: ``$`` becomes ``/``, and 256 characters are the limit.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    """
    text = urn_.replace("$", "/")
    return text if len(text) <= 256 else text[-256:]
