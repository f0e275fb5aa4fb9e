"""What cost and policy look at: the resources of a stack as plain values, read from a preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quartermaster.fleet.events import Json

__all__ = ["SECRET", "UNKNOWN", "Resource"]

UNKNOWN = "<unknown>"
"""Stands where a value is known only after the resource that it comes from is made."""

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
