"""Address ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from quartermaster.fleet.addresses import LARGEST_PREFIX, LEAST_PREFIX, cut, needs, prefix_for, usable
from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet

_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
_RESERVED = IPv4Network("172.17.0.0/16")
"""Several AWS services keep it to themselves (AWS: VPC CIDR blocks)."""


def ranges_are_usable(fleet: Fleet) -> Iterator[Fault]:
    """Private, of a size that a VPC can have and that the subnets fit in."""
    for name, cidr in _ranges(fleet):
        where = f"network.{name}"
        if not any(cidr.subnet_of(private) for private in _PRIVATE):
            yield Fault(where, f"{cidr} is not private", "a range of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
        elif cidr.prefixlen < LARGEST_PREFIX:
            first = _first(cidr, LARGEST_PREFIX)
            yield Fault(where, f"{cidr} is too large for a VPC", f"a /{LARGEST_PREFIX} of it: {first}")
        elif cidr.prefixlen > LEAST_PREFIX:
            yield Fault(
                where,
                f"{cidr} is too small: {fleet.zones} zones need {3 * fleet.zones} subnets and room for hosts",
                f"/{LEAST_PREFIX} or larger: {cidr.supernet(new_prefix=LEAST_PREFIX)}",
            )
        elif cidr.overlaps(_RESERVED):
            yield Fault(where, f"{cidr} overlaps with 172.17.0.0/16, which AWS uses itself", "such as 10.20.0.0/16")


def ranges_are_apart(fleet: Fleet) -> Iterator[Fault]:
    """The recovery network may be joined to the first one, so they must not overlap."""
    recovery = fleet.network.recovery_cidr
    if fleet.network.vpc:
        return  # its range is read from the cloud, and compared then
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
    for name in network.says("cidr", "nat", "endpoints") if network.vpc else ():
        yield Fault(f"network.{name}", f"{name} does not go with an existing vpc", f"leave {name} out, or vpc")
    if len(set(network.subnets)) < len(network.subnets):
        yield Fault("network.subnets", "a subnet stands twice", "each one once")


def addresses_suffice(fleet: Fleet) -> Iterator[Fault]:
    """Every subnet holds what may come to stand in it: every group at its max, a zone lost, hosts being replaced.

    A subnet cannot grow, and what runs out of addresses does so on the day of most demand.
    """
    yield from _short(fleet, grown=False)


def balancers_can_grow(fleet: Fleet) -> Iterator[Fault]:
    """AWS makes an application balancer larger under traffic as long as it finds addresses."""
    if not any(True for _ in _short(fleet, grown=False)):
        yield from _short(fleet, grown=True)


def _short(fleet: Fleet, *, grown: bool) -> Iterator[Fault]:
    ranges = dict(_ranges(fleet))
    for name, cidr in ranges.items():
        recovery = name == "recovery_cidr"
        if not LARGEST_PREFIX <= cidr.prefixlen <= LEAST_PREFIX or (recovery and not fleet.survives_region):
            continue
        try:
            zones = len(fleet.zone_names(recovery=recovery))
        except KeyError:
            continue  # an unknown region is a fault of its own
        wanted = needs(fleet, zones, grown=grown)
        short = [(tier, part) for tier, _, part in cut(cidr, ("",)) if wanted[tier].addresses > usable(part)]
        for tier, subnet in short[:1]:
            need, prefix = wanted[tier], prefix_for(wanted)
            apart = [other for other in ranges.values() if other is not cidr]
            yield Fault(
                f"network.{name}",
                f"each {tier} subnet of {cidr} has {usable(subnet)} addresses, and {need.addresses} may be needed: "
                f"{need.why}",
                f"{name}: {_larger(cidr, prefix, apart)}" if prefix else "smaller max sizes: a /16 is not enough",
            )


def pilot_light_has_a_range(fleet: Fleet) -> Iterator[Fault]:
    """With a range in the recovery region everything but hosts waits there; without one, all of it has yet to be."""
    if fleet.survives_region and fleet.recovery_region and fleet.network.recovery_cidr is None:
        problem = f"an objective is to survive the region, and nothing waits in {fleet.recovery_region} but copies"
        yield Fault("network.recovery_cidr", problem, "recovery_cidr: 10.21.0.0/16, or another range apart from cidr")


def _ranges(fleet: Fleet) -> Iterator[tuple[str, IPv4Network]]:
    if not fleet.network.vpc:
        yield "cidr", fleet.network.cidr
    if fleet.network.recovery_cidr is not None:
        yield "recovery_cidr", fleet.network.recovery_cidr


def _first(cidr: IPv4Network, prefix: int) -> IPv4Network:
    return next(cidr.subnets(new_prefix=prefix))


def _larger(cidr: IPv4Network, prefix: int, others: Iterable[IPv4Network]) -> IPv4Network:
    """The range around it of that size, or the next of 10.0.0.0/8 that is free."""
    candidates = (cidr.supernet(new_prefix=prefix), *IPv4Network("10.0.0.0/8").subnets(new_prefix=16))
    taken = [_RESERVED, *others]
    return next(
        _first(one, prefix)
        for one in candidates
        if any(one.subnet_of(private) for private in _PRIVATE) and not any(one.overlaps(other) for other in taken)
    )
