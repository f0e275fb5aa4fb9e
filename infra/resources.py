"""What cost and policy look at: the resources of a stack as plain values, read from a preview."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from quartermaster.fleet.events import Json

__all__ = ["SECRET", "UNKNOWN", "UNKNOWN_WORDS", "Resource", "is_called", "like", "name_of", "title_of"]

UNKNOWN = "<unknown>"
"""Stands where a value is known only after the resource that it comes from is made."""

UNKNOWN_WORDS = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's own spelling of such a value."""

SECRET = "[secret]"
"""Stands where the engine hides a secret."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as the program declares it (or, for *before*, as the state holds it)."""

    urn: str
    type: str
    """Pulumi type token, e.g. ``aws:rds/instance:Instance``."""
    name: str
    """Logical name: the last part of the URN."""
    inputs: Mapping[str, Json] = field(default_factory=dict)
    """Inputs under their Pulumi names (camelCase), with UNKNOWN and SECRET in place of what is not to be seen."""


def name_of(urn: str) -> str:
    """The logical name."""
    return urn.rpartition("::")[2]


def title_of(urn: str) -> str:
    """The last word of its type, and its name: ``Subnet private-a``."""
    types, _, name = urn.rpartition("::")
    return f"{types.rpartition(':')[2]} {name}"


def is_called(pattern: str, urn: str) -> bool:
    """Does the pattern fit the resource's URN or its logical name?"""
    return like(pattern, urn) or like(pattern, name_of(urn))


def like(pattern: str, text: str) -> bool:
    """Does it fit? Only * and ? stand for others: brackets are part of a path."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None
