"""Reads what the program needs to know of the world before it runs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.keys import passphrase_file, public_key
from quartermaster.infra.layout import Layout

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Cluster, Fleet
    from quartermaster.infra.program import Facts

__all__ = ["gather"]

_FAMILIES = {
    "debian-12": ("136693071363", "debian-12-amd64-*"),
    "debian-13": ("136693071363", "debian-13-amd64-*"),
    "amazon-linux-2023": ("137112412989", "al2023-ami-2023*-x86_64"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"),
}
"""Owner account and name of each family's images; the newest counts. https://wiki.debian.org/Cloud/AmazonEC2Image"""


def gather(fleet: Fleet, layout: Layout, workspace: Workspace, cloud: Cloud, bundle: Path | None) -> Facts:
    """Images, keys and account. Read-only in the cloud; makes missing keys under ``.ops``."""
    from quartermaster.infra.program import Facts

    declared = fleet.stacks[layout.stack]
    account = declared.account or cloud.client("sts").get_caller_identity()["Account"]
    secret = passphrase_file(workspace).read_bytes()
    return Facts(
        account=account,
        images={name: _image(cloud, cluster) for name, cluster in fleet.clusters.items()},
        public_key=public_key(workspace),
        now=datetime.now(UTC),
        bundle=bundle,
        tls=cloud.target != "local",
        seed=hashlib.sha256(b"database passwords\0" + layout.name().encode() + b"\0" + secret).digest(),
    )


def _image(cloud: Cloud, cluster: Cluster) -> str:
    if cluster.image.id:
        return cluster.image.id
    family = cluster.image.family
    owner, pattern = _FAMILIES[family]
    shape = load_prices().shape(cluster.instance)
    if shape is not None and shape.architecture == "arm64":
        pattern = pattern.replace("amd64", "arm64").replace("x86_64", "arm64")
    found = _available(cloud, owner, pattern)
    if not found and cloud.target == "local":
        # One system is all there is here: what a host really is, is told under `substituted`.
        found = _available(cloud, *_FAMILIES["debian-12"])
    if not found:
        raise MissingPart(
            f"no image of {family} for {cluster.instance} in {cloud.region}",
            remedy="give one by id: clusters.NAME.image: {id: ami-…}",
        )
    return str(max(found, key=lambda image: (image["CreationDate"], image["ImageId"]))["ImageId"])


def _available(cloud: Cloud, owner: str, pattern: str) -> list[dict[str, Any]]:
    filters = [{"Name": "name", "Values": [pattern]}, {"Name": "state", "Values": ["available"]}]
    found: list[dict[str, Any]] = cloud.client("ec2").describe_images(Owners=[owner], Filters=filters)["Images"]
    return found
