"""Finds the hosted zone that a fleet's names are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quartermaster.fleet.errors import Fault, InputError

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud

__all__ = ["find_zone"]


def find_zone(cloud: Cloud, zone: str) -> str:
    """Id of the public hosted zone of this name. Read-only. Raises InputError when the account has none."""
    answer = cloud.client("route53").list_hosted_zones_by_name(DNSName=zone)
    for found in answer["HostedZones"]:
        if found["Name"].rstrip(".") == zone and not found["Config"].get("PrivateZone"):
            return str(found["Id"]).rpartition("/")[2]
    problem = f"the account has no public hosted zone {zone}"
    remedy = f"create it in Route 53, and give its name servers to the registrar of {zone}"
    raise InputError(problem, [Fault("dns.zone", problem, remedy)])
