"""Which image the hosts of a cluster start from: the newest of its family or one by id, of their architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import Fault, InputError

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Cluster, Fleet

__all__ = ["FAMILIES", "Image", "architecture", "find_images"]

FAMILIES: Mapping[str, tuple[str, str]] = {
    "debian-12": ("136693071363", "debian-12-{debian}-*"),
    "debian-13": ("136693071363", "debian-13-{debian}-*"),
    "amazon-linux-2023": ("137112412989", "al2023-ami-2023*-{uname}"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{debian}-server-*"),
}
"""Owner account and name of each family's images; the newest counts. https://wiki.debian.org/Cloud/AmazonEC2Image,
https://docs.aws.amazon.com/linux/al2023/ug/naming-and-versioning.html, https://ubuntu.com/aws"""
_WORDS = {"x86_64": {"debian": "amd64", "uname": "x86_64"}, "arm64": {"debian": "arm64", "uname": "arm64"}}
_ATTRIBUTES = re.compile(r"^[a-z]+\d+([a-z]*)")
_USUAL_ROOT = "/dev/xvda"


@dataclass(frozen=True, slots=True)
class Image:
    """A machine image as the program needs it."""

    id: str
    architecture: str
    """x86_64 or arm64."""
    root_device: str = _USUAL_ROOT
    """The volume that the system is on: a mapping of another name would be a second volume, and the system's own
    would stay as the image has it. Ubuntu's is /dev/sda1."""


def architecture(instance: str) -> str:
    """The architecture of an instance type, by its name: a ``g`` after the generation is Graviton. Pure.

    https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
    """
    family = instance.removeprefix("db.").partition(".")[0]
    attributes = _ATTRIBUTES.match(family)
    arm = family == "a1" or (attributes is not None and "g" in attributes.group(1))
    return "arm64" if arm else "x86_64"


def find_images(fleet: Fleet, cloud: Cloud, region: str = "") -> dict[str, Image]:
    """The image of every cluster in the fleet's region or another, by cluster. Read-only.

    An id is of one region only: elsewhere the family's newest stands for it.

    Raises InputError that names every cluster whose image is missing or of another architecture than its hosts.
    """
    found: dict[str, Image] = {}
    faults: list[Fault] = []
    for name, cluster in fleet.clusters.items():
        try:
            pinned = cluster.image.id and region in ("", fleet.region)
            find = _pinned if pinned else _newest
            found[name] = find(cloud, region or fleet.region, name, cluster)
        except InputError as exc:
            faults += exc.faults
    if faults:
        raise InputError("not every cluster has an image to start from", faults)
    return found


def _newest(cloud: Cloud, region: str, name: str, cluster: Cluster) -> Image:
    kind, family = architecture(cluster.instance), cluster.image.family
    owner, pattern = FAMILIES[family]
    filters = [
        {"Name": "name", "Values": [pattern.format(**_WORDS[kind])]},
        {"Name": "architecture", "Values": [kind]},
        {"Name": "state", "Values": ["available"]},
    ]
    rows = cloud.client("ec2", region=region).describe_images(Owners=[owner], Filters=filters)["Images"]
    if not rows:
        problem = f"{region} has no {kind} image of {family} for {cluster.instance}"
        raise InputError(problem, [Fault(f"clusters.{name}.image.family", problem, "give one by id: ami-…")])
    return _image(max(rows, key=lambda row: (row["CreationDate"], row["ImageId"])))


def _pinned(cloud: Cloud, region: str, name: str, cluster: Cluster) -> Image:
    wanted, kind = cluster.image.id, architecture(cluster.instance)
    where = f"clusters.{name}.image.id"
    row = _by_id(cloud, region, wanted)
    if row is None and cloud.target == "local":
        # There is one system here, and every id stands for it: what a host really is, `substituted` says.
        return Image(wanted, kind)
    if row is None:
        problem = f"there is no image {wanted} in {region} that this account may use"
        raise InputError(problem, [Fault(where, problem, "an id of this region, or image: {family: debian-12}")])
    image = _image(row)
    if image.architecture != kind:
        problem = f"{wanted} is an image for {image.architecture}, and {cluster.instance} is {kind}"
        raise InputError(problem, [Fault(where, problem, f"an image for {kind}, or an instance type that fits")])
    return image


def _by_id(cloud: Cloud, region: str, image_id: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        rows: list[dict[str, Any]] = cloud.client("ec2", region=region).describe_images(ImageIds=[image_id])["Images"]
    except ClientError as exc:
        if exc.response["Error"]["Code"].startswith("InvalidAMIID"):
            return None
        raise
    return rows[0] if rows else None


def _image(row: Mapping[str, Any]) -> Image:
    return Image(row["ImageId"], row["Architecture"], row.get("RootDeviceName") or _USUAL_ROOT)
