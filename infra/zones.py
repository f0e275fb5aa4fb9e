"""Does the account have the zones that the layout means to use? The table of regions tells what most accounts see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import Fault, InputError

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.infra.layout import Layout

__all__ = ["check_zones"]


def check_zones(cloud: Cloud, *layouts: Layout) -> None:
    """Raises InputError where a layout's network goes into a zone that the account does not have. Read-only."""
    faults = [fault for layout in layouts for fault in _lacking(cloud, layout)]
    if faults:
        raise InputError("the account does not have the zones that the stack is to stand in", faults)


def _lacking(cloud: Cloud, layout: Layout) -> Iterator[Fault]:
    filters = [{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    rows = cloud.client("ec2", region=layout.region).describe_availability_zones(Filters=filters)["AvailabilityZones"]
    has = sorted(row["ZoneName"] for row in rows)
    lacking = [zone for zone in layout.zones if zone not in has]
    if lacking:
        # AWS maps letters to zones anew for each account, and closes crowded zones to new ones.
        first = next((count for count, zone in enumerate(layout.zones) if zone in lacking), 0)
        fewer = f"zones: {first}, " if first > 1 else ""
        yield Fault(
            "recovery_region" if layout.recovery else "zones",
            f"the account has {', '.join(has)} in {layout.region}, and not {', '.join(lacking)}",
            f"{fewer}another region, or network.vpc and subnets in zones that it has",
        )
