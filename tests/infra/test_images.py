"""Each host starts from an image of its own architecture, or nothing is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.infra.images import Image, architecture, find_images


class Account:
    """A cloud with a few images, and what it was asked."""

    def __init__(self, *rows: Mapping[str, Any], target: str = "aws") -> None:
        self.rows, self.target, self.regions = rows, target, list[str]()

    def client(self, service: str, *, region: str = "") -> Account:
        self.regions.append(region)
        return self

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        wanted = {item["Name"]: item["Values"][0] for item in asked.get("Filters", ())}
        ids: Sequence[str] = asked.get("ImageIds", ())
        found = [
            row
            for row in self.rows
            if (row["ImageId"] in ids if ids else row["Architecture"] == wanted["architecture"])
        ]
        if ids and not found:
            raise ClientError({"Error": {"Code": "InvalidAMIID.NotFound", "Message": ""}}, "DescribeImages")
        return {"Images": found}


def image(name: str, kind: str, day: str = "2026-01-01", root: str = "/dev/xvda") -> dict[str, Any]:
    return {"ImageId": name, "Architecture": kind, "CreationDate": day, "RootDeviceName": root}


ACCOUNT = (
    image("ami-x1", "x86_64"), image("ami-x2", "x86_64", "2026-02-01"), image("ami-a1", "arm64", root="/dev/sda1"),
)  # fmt: skip


def fleet(folder: Path, **clusters: str) -> Fleet:
    lines = [f"  {name}: {text}" for name, text in clusters.items()]
    (folder / "fleet.yaml").write_text("\n".join(["fleet: shop", "clusters:", *lines]))
    return load_fleet(folder / "fleet.yaml")


@pytest.mark.parametrize("instance", sorted(load_prices().instance_types()))
def test_a_types_name_tells_its_architecture(instance: str) -> None:
    shape = load_prices().shape(instance)
    assert shape is not None
    assert architecture(instance) == shape.architecture


@pytest.mark.parametrize(
    ("instance", "kind"),
    [
        ("a1.large", "arm64"), ("im4gn.large", "arm64"), ("is4gen.large", "arm64"), ("hpc7g.4xlarge", "arm64"),
        ("g5g.xlarge", "arm64"), ("g5.xlarge", "x86_64"), ("g4dn.xlarge", "x86_64"), ("u-6tb1.metal", "x86_64"),
        ("x2iedn.large", "x86_64"), ("m8gd.large", "arm64"),
    ],
)  # fmt: skip
def test_so_does_the_name_of_one_without_a_price(instance: str, kind: str) -> None:
    assert architecture(instance) == kind


def test_the_newest_of_the_hosts_architecture_is_taken(tmp_path: Path) -> None:
    both = fleet(tmp_path, web="{instance: m6i.large}", jobs="{instance: t4g.small}")
    assert find_images(both, Account(*ACCOUNT)) == {  # type: ignore[arg-type]
        "web": Image("ami-x2", "x86_64"),
        "jobs": Image("ami-a1", "arm64", "/dev/sda1"),
    }


def test_every_image_that_does_not_fit_is_named_before_anything_is_made(tmp_path: Path) -> None:
    wrong = fleet(
        tmp_path, web="{image: {id: ami-a1}}", jobs="{instance: c7g.large, image: {id: ami-x1}}",
        gone="{image: {id: ami-9}}",
    )  # fmt: skip
    with pytest.raises(InputError) as refused:
        find_images(wrong, Account(*ACCOUNT))  # type: ignore[arg-type]
    assert {fault.where: fault.problem for fault in refused.value.faults} == {
        "clusters.web.image.id": "ami-a1 is an image for arm64, and m6i.large is x86_64",
        "clusters.jobs.image.id": "ami-x1 is an image for x86_64, and c7g.large is arm64",
        "clusters.gone.image.id": "there is no image ami-9 in eu-west-1 that this account may use",
    }


def test_a_family_without_an_image_for_the_architecture_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        find_images(fleet(tmp_path, web="{instance: t4g.small}"), Account(ACCOUNT[0]))  # type: ignore[arg-type]
    assert [fault.where for fault in refused.value.faults] == ["clusters.web.image.family"]


def test_the_local_cloud_takes_any_id_for_the_one_system_that_it_has(tmp_path: Path) -> None:
    account = Account(*ACCOUNT, target="local")
    found = find_images(fleet(tmp_path, web="{image: {id: ami-9}}"), account)  # type: ignore[arg-type]
    assert found == {"web": Image("ami-9", "x86_64")}


def test_elsewhere_the_familys_newest_stands_for_a_pinned_image(tmp_path: Path) -> None:
    account = Account(*ACCOUNT)
    found = find_images(fleet(tmp_path, web="{image: {id: ami-x1}}"), account, "eu-central-1")  # type: ignore[arg-type]
    assert (found["web"].id, account.regions) == ("ami-x2", ["eu-central-1"])
