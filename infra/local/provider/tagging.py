"""Tags between Pulumi's map and the three shapes that AWS services use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given

__all__ = ["as_list", "as_map", "ec2_retag", "read_tags", "retag_lists", "split", "tag_on_create"]


def as_list(tags: Mapping[str, str] | None, *, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """``[{Key, Value}]``, the shape of most services."""
    return [{key: name, value: text} for name, text in sorted((tags or {}).items())]


def as_map(tags: Iterable[Mapping[str, str]] | None, *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Pulumi's map, without the tags that AWS itself writes."""
    return {tag[key]: tag[value] for tag in tags or () if not tag[key].startswith("aws:")}


def read_tags(tags: dict[str, str]) -> dict[str, Any]:
    """The two outputs that every taggable type has."""
    return {"tags": tags, "tagsAll": tags}


def split(old: Given, new: Given) -> tuple[dict[str, str], list[str]]:
    """What to set and what to take away to come from the old inputs' tags to the new ones'."""
    before, after = old.get("tags") or {}, new.get("tags") or {}
    return {k: v for k, v in after.items() if before.get(k) != v}, sorted(before.keys() - after.keys())


def retag_lists(tag: Callable[..., object], untag: Callable[..., object], old: Given, new: Given, **which: Any) -> None:
    """Bring the tags from old to new by two calls that take ``Tags`` as a list and ``TagKeys``, as most services do."""
    put, drop = split(old, new)
    if put:
        tag(**which, Tags=as_list(put))
    if drop:
        untag(**which, TagKeys=drop)


def tag_on_create(resource_type: str, given: Given) -> list[dict[str, Any]]:
    """EC2's TagSpecifications: tags come with the resource, so that an interrupted create is found by them."""
    tags = as_list(given.get("tags"))
    return [{"ResourceType": resource_type, "Tags": tags}] if tags else []


def ec2_retag(api: Api, id_: str, old: Given, new: Given) -> None:
    """Bring the tags of an EC2 resource from old to new."""
    put, drop = split(old, new)
    ec2 = api.client("ec2")
    if put:
        ec2.create_tags(Resources=[id_], Tags=as_list(put))
    if drop:
        ec2.delete_tags(Resources=[id_], Tags=[{"Key": key} for key in drop])
