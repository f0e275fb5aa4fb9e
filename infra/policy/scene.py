"""What a rule looks at: the previewed resources, the fleet, the stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from quartermaster.fleet.schema import Fleet
from quartermaster.infra.resources import UNKNOWN, Resource

__all__ = ["Breach", "Broken", "Scene"]


class Breach(NamedTuple):
    """A resource that breaks the rule, and how."""

    resource: Resource
    reason: str
    remedy: str = ""
    """What to do in this case; empty: what the rule says."""


Broken = Iterator[Breach]
"""What a rule yields."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One stack as it would be."""

    resources: tuple[Resource, ...]
    fleet: Fleet
    stack: str

    @property
    def protected(self) -> bool:
        """Is it a protected stack?"""
        return self.fleet.stacks[self.stack].protect

    @property
    def on_aws(self) -> bool:
        """The local cloud has no certificates, and nobody on the way."""
        return self.fleet.stacks[self.stack].target == "aws"

    def of(self, *types: str) -> Iterator[Resource]:
        """Resources of these types."""
        return (resource for resource in self.resources if resource.type in types)

    def region_of(self, resource: Resource) -> str:
        """Where the resource is."""
        return str(resource.inputs.get("region") or self.fleet.region)

    def companion(self, one: Resource, type_: str, key: str = "bucket") -> Resource | None:
        """The resource of the type that sets something of this one: it names it under the key, or bears its name.

        The key's value is the other's own ``key`` or ``name``; one that is not known yet is told by the logical name.
        """
        own = [one.inputs.get(key), one.inputs.get("name")]
        for other in self.of(type_):
            named = other.inputs.get(key)
            if self.region_of(other) != self.region_of(one):
                continue
            if (named is not None and named in own) or (named == UNKNOWN and other.name == one.name):
                return other
        return None
