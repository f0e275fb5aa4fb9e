"""Reads what the program needs to know of the world before it runs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.existing import find_network, site
from quartermaster.infra.hosted_zone import find_zone
from quartermaster.infra.images import find_images
from quartermaster.infra.keys import passphrase_file, public_key
from quartermaster.infra.layout import Layout, recovery_layout
from quartermaster.infra.zones import check_zones

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet
    from quartermaster.infra.program import Facts

__all__ = ["gather"]


def gather(fleet: Fleet, layout: Layout, workspace: Workspace, cloud: Cloud, bundle: Path | None) -> Facts:
    """Images, keys, account, and the network where one is given. Read-only in the cloud; makes missing keys.

    Raises InputError for zones that the account does not have, a cluster that has no image of its architecture, and a
    network that the stack does not fit.
    """
    from quartermaster.infra.program import Facts

    declared = fleet.stacks[layout.stack]
    account = declared.account or cloud.client("sts").get_caller_identity()["Account"]
    secret = passphrase_file(workspace).read_bytes()
    network, recovery = fleet.network, recovery_layout(fleet, layout.stack)
    check_zones(cloud, *(one for one in (layout, recovery) if one is not None and not one.vpc))
    return Facts(
        account=account,
        images=find_images(fleet, cloud),
        recovery_images=find_images(fleet, cloud, recovery.region) if recovery else {},
        site=site(fleet, find_network(cloud, network.vpc, network.subnets)) if network.vpc else None,
        public_key=public_key(workspace),
        now=datetime.now(UTC),
        bundle=bundle,
        tls=cloud.target != "local",
        zone_id=find_zone(cloud, fleet.dns.zone) if fleet.dns is not None and cloud.target != "local" else "",
        last_snapshots=cloud.target != "local",
        seed=hashlib.sha256(b"database passwords\0" + layout.name().encode() + b"\0" + secret).digest(),
    )
