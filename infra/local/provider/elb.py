"""What balancers, target groups and listeners share in their API: attributes as text, and tags by ARN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists

__all__ = ["NAME", "changed", "read_attributes", "read_tags_of", "retag", "tags", "text", "value", "written"]

NAME = Limit(
    r"(?!internal-)(?!-)[a-zA-Z0-9-]{1,32}(?<!-)",
    "up to 32 letters, digits and hyphens, no hyphen at the ends, not beginning with internal-",
)
"""Of balancers and target groups."""


def text(given: Any) -> str:
    """A value as attributes spell it."""
    return str(given).lower() if isinstance(given, bool) else str(given)


def value(found: str) -> Any:
    """The value that an attribute's text means."""
    if found in ("true", "false"):
        return found == "true"
    return int(found) if found.isdigit() else found


def written(names: Mapping[str, str], given: Given) -> list[dict[str, str]]:
    """The attributes (input name → key) that are given, as the API takes them."""
    return [{"Key": key, "Value": text(given[name])} for name, key in names.items() if given.get(name) is not None]


def read_attributes(names: Mapping[str, str], found: Sequence[Mapping[str, str]], given: Given) -> State:
    """Of the attributes found, those whose inputs are given."""
    values = {item["Key"]: item["Value"] for item in found}
    return {name: value(values[key]) for name, key in names.items() if key in values and name in given}


def changed(old: Given, new: Given, names: str) -> bool:
    """Is any of these inputs (separated by blanks) another?"""
    return any(old.get(name) != new.get(name) for name in names.split())


def tags(given: Given) -> dict[str, Any]:
    """The argument of a creation; left out where there are none, as the API takes no empty list."""
    return {"Tags": as_list(given["tags"])} if given.get("tags") else {}


def retag(api: Api, arn: str, old: Given, new: Given) -> None:
    """Bring the tags from old to new."""
    elb = api.client("elbv2")
    retag_lists(elb.add_tags, elb.remove_tags, old, new, ResourceArns=[arn])


def read_tags_of(api: Api, arn: str) -> State:
    """The outputs tags and tagsAll."""
    found = api.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return read_tags(as_map(found[0]["Tags"] if found else []))
