"""Hosts and their disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from quartermaster.fleet.prices import HOURS_A_MONTH
from quartermaster.infra.cost.rates import NoPriceError, Priced, Rates
from quartermaster.infra.resources import Resource

__all__ = ["group", "host", "volume"]

_FREE_IOPS = 3_000
"""In the price of a gp3 volume: https://aws.amazon.com/ebs/pricing/"""
_FREE_MIB_PER_SECOND = 125


def group(resource: Resource, rates: Rates) -> Priced:
    """An auto-scaling group at its min; warm hosts are stopped, and cost their disks."""
    template = rates.namesake(resource, "aws:ec2/launchTemplate:LaunchTemplate")
    least = resource.inputs.get("minSize")
    if template is None:
        raise NoPriceError("its launch template, of the same name, is not among the resources")
    if not isinstance(least, int | float):
        raise NoPriceError("its min size is not known yet")
    each, why = host(template, rates)
    warm = _warm_hosts(resource)
    usd = int(least) * each + warm * _disks(template, rates)
    return usd, f"{int(least)} hosts (the group's min) of {why}" + (f", disks of {warm} warm hosts" if warm else "")


def host(resource: Resource, rates: Rates) -> Priced:
    """An instance, or one of a launch template."""
    kind = str(resource.inputs.get("instanceType"))
    hour = rates.prices.instance_hour(kind, rates.region_of(resource))
    if hour is None:
        raise NoPriceError(f"no price of {kind} in {rates.region_of(resource)}")
    gib = sum(int(disk.get("volumeSize") or 0) for disk in _mappings(resource))
    return hour * HOURS_A_MONTH + _disks(resource, rates), f"{kind} with {gib} GiB"


def volume(resource: Resource, rates: Rates) -> Priced:
    """A volume of its own."""
    return _disk(resource.inputs, "size", resource, rates), f"{resource.inputs.get('size')} GiB"


def _warm_hosts(resource: Resource) -> int:
    pool = resource.inputs.get("warmPool")
    least = pool.get("minSize") if isinstance(pool, Mapping) else None
    return int(least) if isinstance(least, int | float) else 0


def _disks(resource: Resource, rates: Rates) -> Decimal:
    return sum((_disk(disk, "volumeSize", resource, rates) for disk in _mappings(resource)), Decimal(0))


def _disk(disk: Mapping[str, Any], size: str, resource: Resource, rates: Rates) -> Decimal:
    kind, gib = str(disk.get("volumeType") or disk.get("type") or "gp3"), disk.get(size)
    if kind not in ("gp2", "gp3", "io1", "io2") or not isinstance(gib, int | float):
        raise NoPriceError(f"no price for a volume of type {kind}" if gib else "the size of a disk is not known")
    usd = int(gib) * rates.month(f"volume_{kind}_gib_month", resource)
    iops, through = disk.get("iops"), disk.get("throughput")
    if isinstance(iops, int | float) and kind != "gp2":
        paid = max(0, int(iops) - _FREE_IOPS) if kind == "gp3" else int(iops)
        usd += paid * rates.month(f"volume_{kind}_iops_month", resource)
    if isinstance(through, int | float) and kind == "gp3":
        usd += max(0, int(through) - _FREE_MIB_PER_SECOND) * rates.month("volume_gp3_mibps_month", resource)
    return usd


def _mappings(resource: Resource) -> Iterator[Mapping[str, Any]]:
    for mapping in resource.inputs.get("blockDeviceMappings") or ():
        if isinstance(mapping, Mapping) and isinstance(mapping.get("ebs"), Mapping):
            yield mapping["ebs"]
    root = resource.inputs.get("rootBlockDevice")
    if isinstance(root, Mapping):
        yield root
