"""What a stack looks like before anything is made: zones, address ranges, names and tags as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Literal

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.names import physical, tags

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["PROJECT_TYPE", "Layout", "Subnet", "Tier", "layout", "urn", "urn_tag"]

Tier = Literal["public", "private", "data"]

PROJECT_TYPE = "ops:infra"
"""Prefix of our component types."""

_BLOCK_BITS = 3
"""A VPC is cut into 8 equal blocks, one a zone: AWS has at most 6 in a region, so a zone more never moves another."""
_LEAST_PREFIX = 28 - _BLOCK_BITS - 2
"""AWS subnets are /16 to /28: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""


@dataclass(frozen=True, slots=True)
class Subnet:
    """One subnet of one zone."""

    tier: Tier
    zone: str
    cidr: IPv4Network

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

    def of(self, tier: Tier) -> tuple[Subnet, ...]:
        """The tier's subnets in the order of zones."""
        return tuple(subnet for subnet in self.subnets if subnet.tier == tier)

    def nat_of(self, zone: str) -> str | None:
        """The zone whose NAT gateway serves this zone: its own where it has one."""
        if zone in self.nat_zones:
            return zone
        return self.nat_zones[0] if self.nat_zones else None

    def name(self, part: str = "", *, limit: int = 63) -> str:
        """The physical name of a part."""
        return physical(self.fleet, self.stack, part, limit=limit)

    def tags(self, cluster: str = "") -> Mapping[str, str]:
        """Tags that everything carries."""
        return tags(self.fleet, self.stack, cluster)


def layout(fleet: Fleet, stack: str) -> Layout:
    """The layout of one stack. Raises InputError when the range is too small for its subnets."""
    zones = fleet.zone_names()
    cidr = fleet.network.cidr
    if fleet.network.vpc:
        problem = f"placing a stack into an existing network ({fleet.network.vpc}) is not there yet"
        raise InputError(problem, [Fault("network.vpc", problem, "leave vpc and subnets out and give a cidr")])
    if cidr.prefixlen > _LEAST_PREFIX:
        problem = f"{cidr} is too small for a public, a private and a data subnet in each zone"
        raise InputError(problem, [Fault("network.cidr", problem, f"a range of /16 to /{_LEAST_PREFIX}")])
    nat = {"per_zone": zones, "single": zones[:1], "none": ()}[fleet.network.nat]
    return Layout(
        fleet=fleet.fleet,
        stack=stack,
        region=fleet.region,
        zones=zones,
        cidr=cidr,
        subnets=_subnets(cidr, zones),
        nat_zones=nat,
        protect=fleet.stacks[stack].protect,
    )


def _subnets(cidr: IPv4Network, zones: tuple[str, ...]) -> tuple[Subnet, ...]:
    """Half of each zone's block is private (hosts), a quarter public, a quarter data."""
    found = []
    for zone, block in zip(zones, cidr.subnets(prefixlen_diff=_BLOCK_BITS), strict=False):
        private, rest = block.subnets()
        public, data = rest.subnets()
        found += [Subnet("private", zone, private), Subnet("public", zone, public), Subnet("data", zone, data)]
    return tuple(found)


def urn(stack: str, project: str, types: str, name: str) -> str:
    """A resource's URN; ``types`` is the chain of types from its outermost parent, joined by ``$``."""
    return f"urn:pulumi:{stack}::{project}::{types}::{name}"


def urn_tag(urn_: str) -> str:
    """The URN as the value of the tag ``ops:urn``: ``$`` becomes ``/``, and 256 characters are the limit.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    """
    text = urn_.replace("$", "/")
    return text if len(text) <= 256 else text[-256:]
