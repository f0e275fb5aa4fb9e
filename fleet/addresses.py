"""How a network's range is cut into subnets, and how many addresses a fleet may come to need in each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from quartermaster.fleet.schema.model import Fleet
    from quartermaster.fleet.schema.servers import Cluster

__all__ = ["LARGEST_PREFIX", "LEAST_PREFIX", "TIERS", "Need", "Tier", "cut", "needs", "prefix_for", "usable"]

Tier = Literal["public", "private", "data"]
TIERS: tuple[Tier, ...] = get_args(Tier)

_BLOCK_BITS = 3
"""A network is cut into 8 equal blocks, one a zone: AWS has at most 6 in a region, so one more never moves another."""
_TIER_BITS: Mapping[Tier, int] = {"private": _BLOCK_BITS + 1, "public": _BLOCK_BITS + 2, "data": _BLOCK_BITS + 2}
"""Half of each zone's block is private (hosts), a quarter public, a quarter data."""
_SMALLEST_SUBNET = 28
LARGEST_PREFIX = 16
LEAST_PREFIX = _SMALLEST_SUBNET - max(_TIER_BITS.values())
"""AWS subnets and networks are /16 to /28: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""
_RESERVED = 5
"""The first four addresses of a subnet and its last are AWS's (same page)."""
_BALANCER_FREE = 8
_BALANCER_MOST = 100
"""An application balancer needs 8 free addresses in each of its subnets, and grows to 100 over all of them:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html"""
_REBALANCING = 0.10
"""By which a group may exceed its max, by one host at least, while it evens out its zones or refreshes its hosts:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html"""
_SSM_SERVICES = 3


@dataclass(frozen=True, slots=True)
class Need:
    """Addresses that one subnet of a tier may come to need."""

    addresses: int
    why: str
    """What they are for, e.g. ``34 for balancer web, 1 for the NAT gateway``."""


def cut(cidr: IPv4Network, zones: Sequence[str]) -> Iterator[tuple[Tier, str, IPv4Network]]:
    """(tier, zone, range) of each subnet, for up to 8 zones."""
    for zone, block in zip(zones, cidr.subnets(prefixlen_diff=_BLOCK_BITS), strict=False):
        private, rest = block.subnets()
        public, data = rest.subnets()
        yield "private", zone, private
        yield "public", zone, public
        yield "data", zone, data


def usable(subnet: IPv4Network) -> int:
    """Addresses of a subnet that AWS leaves to its owner."""
    return subnet.num_addresses - _RESERVED


def needs(fleet: Fleet, zones: int, *, existing: bool = False, grown: bool = False) -> Mapping[Tier, Need]:
    """What one subnet of each tier may come to need, every group grown to its max and a zone lost.

    In an existing network gateways and endpoints are not ours. ``grown``: balancers too are as large as AWS makes them
    under much traffic, rather than as it asks for when it makes them.
    """
    parts: dict[Tier, list[tuple[int, str]]] = {tier: [] for tier in TIERS}
    if fleet.network.nat != "none" and not existing:
        parts["public"].append((1, "the NAT gateway"))
    if "ssm" in fleet.network.endpoints and not existing:
        parts["private"].append((_SSM_SERVICES, "the SSM endpoints"))
    for name, cluster in fleet.clusters.items():
        left = zones - min(max(1, fleet.capacity_of(name).survive.zones), zones - 1)
        parts["private"].append((_hosts(cluster, left), f"hosts of {name} when {_lost(zones - left)} lost"))
        if cluster.balancer is not None:
            tier: Tier = "private" if cluster.balancer.internal else "public"
            # A network balancer has one address in each zone, and asks for as many free ones.
            most = -(-_BALANCER_MOST // zones) if grown and cluster.balancer.kind == "application" else 0
            parts[tier].append((max(_BALANCER_FREE, most), f"balancer {name}"))
    for name, database in fleet.databases.items():
        if database.engine == "postgres":
            # RDS chooses the zone of each, all of them may come to stand in one, and a new host needs one more.
            parts["data"].append((1 + database.standby + database.replicas + 1, f"database {name}"))
            parts["private"].append((1, f"the function that rotates the login of {name}"))
    return {tier: _need(found) for tier, found in parts.items()}


def prefix_for(wanted: Mapping[Tier, Need]) -> int | None:
    """The prefix of the smallest network whose subnets are large enough; None where not even the largest is."""
    prefix = LEAST_PREFIX
    for tier, need in wanted.items():
        subnet = min(32 - (need.addresses + _RESERVED - 1).bit_length(), _SMALLEST_SUBNET)
        prefix = min(prefix, subnet - _TIER_BITS[tier])
    return prefix if prefix >= LARGEST_PREFIX else None


def _hosts(cluster: Cluster, zones: int) -> int:
    """Of one zone, when the group stands in so many: its max, stopped ones that wait, and room to replace."""
    most = cluster.size.max + cluster.scaling.warm_hosts
    return -(-most // zones) + max(1, int(cluster.size.max * _REBALANCING))


def _lost(zones: int) -> str:
    return "a zone is" if zones == 1 else f"{zones} zones are"


def _need(parts: Sequence[tuple[int, str]]) -> Need:
    return Need(sum(count for count, _ in parts), ", ".join(f"{count} for {what}" for count, what in parts))
