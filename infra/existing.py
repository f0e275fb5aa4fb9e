"""A network that somebody else made: what it is, read from the cloud, and where a stack goes in it.

Nothing of it is changed: no subnet, no gateway, no route. What it lacks is refused before anything is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from quartermaster.fleet.addresses import TIERS, needs, usable
from quartermaster.fleet.errors import Fault, InputError
from quartermaster.infra.layout import Layout, Subnet, Tier

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet

__all__ = ["FoundNetwork", "FoundSubnet", "Site", "find_network", "site"]

Way = Literal["internet", "nat", "none"]
"""Where a subnet's default route leads: to an internet gateway, to anything else, nowhere."""


@dataclass(frozen=True, slots=True)
class FoundSubnet:
    """A subnet as it is."""

    id: str
    vpc: str
    zone: str
    cidr: IPv4Network
    way: Way


@dataclass(frozen=True, slots=True)
class FoundNetwork:
    """A VPC as it is, with all of its subnets and those that were given."""

    id: str
    cidr: IPv4Network | None
    """None: there is no such VPC."""
    subnets: Mapping[str, FoundSubnet]
    """By id: those of the VPC and those given, of whatever VPC they are."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a stack goes in a network that exists."""

    cidr: IPv4Network
    zones: tuple[str, ...]
    subnets: tuple[Subnet, ...]

    def of(self, layout: Layout) -> Layout:
        """The layout on this site."""
        return replace(layout, cidr=self.cidr, zones=self.zones, subnets=self.subnets)


def find_network(cloud: Cloud, vpc: str, subnets: Iterable[str]) -> FoundNetwork:
    """The VPC and its subnets, now. Read-only."""
    from botocore.exceptions import ClientError

    ec2 = cloud.client("ec2")
    try:
        cidr = IPv4Network(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"])
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "InvalidVpcID.NotFound":
            raise
        return FoundNetwork(vpc, None, {})
    rows = _subnets(ec2, "vpc-id", [vpc]) | _subnets(ec2, "subnet-id", list(subnets))
    tables = _tables(ec2, sorted({row["VpcId"] for row in rows.values()}))
    found = {
        id_: FoundSubnet(id_, row["VpcId"], row["AvailabilityZone"], IPv4Network(row["CidrBlock"]), _way(row, tables))
        for id_, row in rows.items()
    }
    return FoundNetwork(vpc, cidr, found)


def site(fleet: Fleet, network: FoundNetwork) -> Site:
    """The network's subnets in their tiers. Pure.

    Public are those with a way to an internet gateway; databases go where there is no way out at all, if there are
    such subnets, else beside the hosts. Raises InputError with every fault.
    """
    if network.cidr is None:
        problem = f"there is no {network.id} in {fleet.region}"
        raise InputError(problem, [Fault("network.vpc", problem, "the id of a VPC of this account and region")])
    faults = list(_strangers(fleet, network))
    if not faults:
        tiers = _tiers([network.subnets[id_] for id_ in fleet.network.subnets])
        faults = [*_unfit(fleet, network, tiers)]
        if not faults:
            faults = [*_crowded(fleet, tiers)]
    recovery = fleet.network.recovery_cidr
    if recovery is not None and recovery.overlaps(network.cidr):
        problem = f"{recovery} overlaps with {network.cidr} of {network.id}"
        faults.append(Fault("network.recovery_cidr", problem, "a range apart from it"))
    if faults:
        raise InputError(f"the stack does not fit into {network.id}", faults)
    subnets = tuple(Subnet(tier, one.zone, one.cidr, one.id) for tier in TIERS for one in tiers[tier])
    zones = tuple(one.zone for one in tiers["private"])
    return Site(network.cidr, zones, subnets)


def _subnets(ec2: Any, key: str, values: list[str]) -> dict[str, Any]:
    pages = ec2.get_paginator("describe_subnets").paginate(Filters=[{"Name": key, "Values": values}])
    return {row["SubnetId"]: row for page in pages for row in page["Subnets"]}


def _tables(ec2: Any, vpcs: list[str]) -> dict[str, Any]:
    """Route tables by what uses them: a subnet's id, or the VPC's where they are its main one."""
    pages = ec2.get_paginator("describe_route_tables").paginate(Filters=[{"Name": "vpc-id", "Values": vpcs}])
    tables = [table for page in pages for table in page["RouteTables"]]
    return {
        table["VpcId"] if use.get("Main") else use["SubnetId"]: table
        for table in tables
        for use in table["Associations"]
        if use.get("Main") or use.get("SubnetId")
    }


def _way(subnet: Mapping[str, Any], tables: Mapping[str, Any]) -> Way:
    table = tables.get(subnet["SubnetId"]) or tables.get(subnet["VpcId"]) or {"Routes": []}
    for route in table["Routes"]:
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State", "active") == "active":
            return "internet" if str(route.get("GatewayId", "")).startswith("igw-") else "nat"
    return "none"


def _strangers(fleet: Fleet, network: FoundNetwork) -> Iterator[Fault]:
    """Subnets that are not there, or not in this VPC."""
    own = [one.id for one in network.subnets.values() if one.vpc == network.id]
    offered = f"of {network.id}: {', '.join(sorted(own))}" if own else f"{network.id} has no subnet: make them first"
    for index, id_ in enumerate(fleet.network.subnets):
        where, found = f"network.subnets[{index}]", network.subnets.get(id_)
        if found is None:
            yield Fault(where, f"there is no {id_} in {fleet.region}", offered)
        elif found.vpc != network.id:
            yield Fault(where, f"{id_} is in {found.vpc}, not in {network.id}", offered)


def _tiers(given: list[FoundSubnet]) -> dict[Tier, list[FoundSubnet]]:
    by_zone = sorted(given, key=lambda one: one.zone)
    inner = [one for one in by_zone if one.way == "nat"]
    closed = [one for one in by_zone if one.way == "none"]
    return {
        "public": [one for one in by_zone if one.way == "internet"],
        "private": inner or closed,
        "data": closed or inner,
    }


def _unfit(fleet: Fleet, network: FoundNetwork, tiers: Mapping[Tier, list[FoundSubnet]]) -> Iterator[Fault]:
    """Tiers that are missing, or do not have one subnet in each zone."""
    facing = [name for name, one in fleet.clusters.items() if one.balancer and not one.balancer.internal]
    if not tiers["private"]:
        problem = f"all subnets given are public, and hosts go where nobody reaches them: {_listed(tiers['public'])}"
        yield Fault("network.subnets", problem, "a subnet in each zone without a route to an internet gateway")
        return
    used = ["private", *(["public"] if tiers["public"] else [])]
    if tiers["data"] != tiers["private"]:
        used.append("data")
    zones = {one.zone for one in tiers["private"]}
    for tier in TIERS:
        if tier in used:
            yield from _uneven(fleet, tier, tiers[tier], zones)
    if not tiers["public"]:
        for name in facing:
            public = [one for one in network.subnets.values() if one.vpc == network.id and one.way == "internet"]
            other = f", or add public subnets: {_listed(public)}" if public else ", or another VPC with public subnets"
            yield Fault(
                f"clusters.{name}.balancer.internal",
                f"the balancer of {name} faces the internet, and no subnet given has a route to an internet gateway",
                f"internal: true{other}",
            )


def _uneven(fleet: Fleet, tier: Tier, subnets: list[FoundSubnet], zones: set[str]) -> Iterator[Fault]:
    for zone, some in groupby(subnets, key=lambda one: one.zone):
        ids = [one.id for one in some]
        if len(ids) > 1:
            problem = f"{' and '.join(ids)} are {tier} and both in {zone}"
            yield Fault("network.subnets", problem, f"one {tier} subnet in each zone")
    has = sorted({one.zone for one in subnets})
    if tier == "private" and len(has) != fleet.zones:
        problem = f"zones: {fleet.zones}, and the private subnets are in {len(has)}: {', '.join(has)}"
        yield Fault("network.subnets", problem, f"a private subnet in each zone, or zones: {max(len(has), 2)}")
    elif tier != "private" and (missing := sorted(zones ^ set(has))):
        problem = f"the {tier} subnets are in {', '.join(has)} and the hosts in {', '.join(sorted(zones))}"
        yield Fault("network.subnets", problem, f"one {tier} subnet in each zone of the hosts: see {missing[0]}")


def _crowded(fleet: Fleet, tiers: Mapping[Tier, list[FoundSubnet]]) -> Iterator[Fault]:
    """Subnets that are too small for what may come to stand in them. Who else is in them is not counted."""
    wanted = needs(fleet, fleet.zones, existing=True)
    together = tiers["data"] == tiers["private"]
    for tier in TIERS:
        need, why = wanted[tier].addresses, wanted[tier].why
        if tier == "private" and together:
            need, why = need + wanted["data"].addresses, ", ".join(filter(None, (why, wanted["data"].why)))
        for one in () if tier == "data" and together else tiers[tier]:
            if need > usable(one.cidr):
                problem = f"{one.id} ({one.cidr}) has {usable(one.cidr)} addresses and {need} may be needed: {why}"
                yield Fault("network.subnets", problem, "a larger subnet, or smaller clusters")


def _listed(subnets: Iterable[FoundSubnet]) -> str:
    return ", ".join(f"{one.id} ({one.zone})" for one in sorted(subnets, key=lambda one: (one.zone, one.id)))
