"""Reading a resource's inputs, of which some are not known before it is made."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

from quartermaster.infra.resources import SECRET, UNKNOWN

__all__ = ["HIDDEN", "covers", "holds", "is_world", "items", "part", "sources", "statements", "texts"]

HIDDEN = (UNKNOWN, SECRET)
"""What stands for a value that cannot be read."""


def holds(value: Any) -> bool:
    """Whether a switch is on, or not known yet. Launch templates write booleans as text."""
    return value is True or value == "true" or value in HIDDEN


def part(value: Any) -> Mapping[str, Any]:
    """The mapping; of an unknown one every part is unknown."""
    if value in HIDDEN:
        return dict.fromkeys(("enabled", "encrypted", "httpTokens"), UNKNOWN)
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list; nothing of anything else."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def texts(value: Any) -> list[str]:
    """A text, or the texts of a list, as a list."""
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def statements(policy: Any) -> list[Mapping[str, Any]]:
    """The statements of an IAM document, as text or as a value; nothing of one that cannot be read."""
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            return []
    found = part(policy).get("Statement", [])
    return [found] if isinstance(found, Mapping) else items(found)


def covers(rule: Mapping[str, Any], port: int) -> bool:
    """Whether a security group's rule covers the port."""
    if rule.get("ipProtocol", rule.get("protocol")) in ("-1", "all"):
        return True
    low, high = rule.get("fromPort"), rule.get("toPort")
    return isinstance(low, int | float) and isinstance(high, int | float) and low <= port <= high


def sources(rule: Mapping[str, Any]) -> list[str]:
    """The ranges that a security group's rule lets in."""
    keys = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
    return [text for key in keys for text in texts(rule.get(key))]


def is_world(cidr: str) -> bool:
    """Whether the range is every address."""
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen == 0
    except ValueError:
        return False
