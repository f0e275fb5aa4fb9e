"""Address ranges."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet

LONGEST, SHORTEST = 16, 23
"""AWS takes /16 to /28 for a VPC and for a subnet; below /23 the subnets of all zones and tiers do not fit."""
_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
_RESERVED = IPv4Network("172.17.0.0/16")
"""Several AWS services keep it to themselves (AWS: VPC CIDR blocks)."""


def ranges_are_usable(fleet: Fleet) -> Iterator[Fault]:
    """Private, of a size that a VPC can have and that the subnets fit in."""
    for name, cidr in _ranges(fleet):
        where = f"network.{name}"
        if not any(cidr.subnet_of(private) for private in _PRIVATE):
            yield Fault(where, f"{cidr} is not private", "a range of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
        elif cidr.prefixlen < LONGEST:
            yield Fault(where, f"{cidr} is too large for a VPC", f"a /{LONGEST} of it: {_first(cidr, LONGEST)}")
        elif cidr.prefixlen > SHORTEST:
            yield Fault(
                where,
                f"{cidr} is too small: {fleet.zones} zones need {3 * fleet.zones} subnets and room for hosts",
                f"/{SHORTEST} or larger: {cidr.supernet(new_prefix=SHORTEST)}",
            )
        elif cidr.overlaps(_RESERVED):
            yield Fault(where, f"{cidr} overlaps with 172.17.0.0/16, which AWS uses itself", "such as 10.20.0.0/16")


def ranges_are_apart(fleet: Fleet) -> Iterator[Fault]:
    """The recovery network may be joined to the first one, so they must not overlap."""
    recovery = fleet.network.recovery_cidr
    if recovery is not None and recovery.overlaps(fleet.network.cidr):
        problem = f"{recovery} overlaps with network.cidr {fleet.network.cidr}"
        yield Fault("network.recovery_cidr", problem, "a range apart from it, such as 10.21.0.0/16")


def existing_network_is_complete(fleet: Fleet) -> Iterator[Fault]:
    """An existing network is given by its VPC and a subnet for each zone, and has no range of ours."""
    network = fleet.network
    if network.subnets and not network.vpc:
        yield Fault("network.vpc", "subnets are given without their vpc", "vpc: vpc-…")
    if network.vpc and len(network.subnets) < fleet.zones:
        yield Fault(
            "network.subnets",
            f"{len(network.subnets)} subnets for {fleet.zones} zones",
            "a subnet in each zone, or fewer zones",
        )
    if network.vpc and network.says("cidr", "nat"):
        name = network.says("cidr", "nat")[0]
        yield Fault(f"network.{name}", f"{name} does not go with an existing vpc", f"leave {name} out, or vpc")
    if len(set(network.subnets)) < len(network.subnets):
        yield Fault("network.subnets", "a subnet stands twice", "each one once")


def addresses_may_run_out(fleet: Fleet) -> Iterator[Fault]:
    """All clusters at their max should fit into half of the range: the other half is other subnets'."""
    wanted = sum(cluster.size.max for cluster in fleet.clusters.values())
    room = fleet.network.cidr.num_addresses // 2 - 5 * fleet.zones
    if not fleet.network.vpc and wanted > room:
        problem = f"clusters may grow to {wanted} hosts and {room} addresses are theirs"
        yield Fault("network.cidr", problem, "a larger range")


def _ranges(fleet: Fleet) -> Iterator[tuple[str, IPv4Network]]:
    yield "cidr", fleet.network.cidr
    if fleet.network.recovery_cidr is not None:
        yield "recovery_cidr", fleet.network.recovery_cidr


def _first(cidr: IPv4Network, prefix: int) -> IPv4Network:
    return next(cidr.subnets(new_prefix=prefix))
