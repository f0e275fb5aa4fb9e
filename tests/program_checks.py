"""What holds of every program, whatever the fleet: said once, for the examples and for generated fleets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from mocked import Declared
from sdk import inputs

from quartermaster.fleet.names import TAG_FLEET, TAG_STACK, TAG_URN
from quartermaster.fleet.schema import Fleet
from quartermaster.infra.layout import layout, recovery_layout, urn_tag
from quartermaster.infra.local.provider.engine import refusals
from quartermaster.infra.local.provider.table import TABLE

__all__ = ["faults"]

_GLOBAL = ("iam", "s3", "route53", "cloudfront")
"""Services whose names all regions share."""
_WITHIN = {
    "aws:autoscaling/schedule:Schedule": ("autoscalingGroupName",),
    "aws:iam/rolePolicy:RolePolicy": ("role",),
    "aws:route53/record:Record": ("zoneId", "type", "setIdentifier"),
}
"""What else a name is unique with, where it is not by itself."""


def faults(fleet: Fleet, stack: str, found: Sequence[Declared]) -> list[str]:
    """What is wrong with the program's resources; empty when all is well."""
    wrong = [f"{count} times {urn}" for urn, count in Counter(one.urn for one in found).items() if count > 1]
    known = {one.urn for one in found}
    made = [one for one in found if one.custom]
    for one in made:
        if one.parent not in known:
            wrong.append(f"{one.urn} has no component for a parent")
        wrong += _untagged(fleet, stack, one)
        wrong += _refused(one)
    return wrong + _named_twice(made) + _overlapping(fleet, stack)


def _untagged(fleet: Fleet, stack: str, one: Declared) -> list[str]:
    if "tags" not in inputs(one.type):
        return []
    tags = one.inputs.get("tags")
    if isinstance(tags, list):  # of auto-scaling groups, with propagation
        tags = {tag["key"]: tag["value"] for tag in tags}
    wanted = {TAG_FLEET: fleet.fleet, TAG_STACK: stack, TAG_URN: urn_tag(one.urn)}
    lacking = [f"{key}={value}" for key, value in wanted.items() if (tags or {}).get(key) != value]
    return [f"{one.urn} is not tagged {tag}" for tag in lacking]


def _refused(one: Declared) -> list[str]:
    """What the local cloud refuses: types and inputs that it does not know, and what AWS would not take."""
    if one.type not in TABLE:
        return [f"the local cloud has no {one.type}"]
    given = {name: value for name, value in one.inputs.items() if value is not None}
    return [f"{one.urn}: {name}: {reason}" for name, reason in refusals(TABLE[one.type], given)]


def _named_twice(made: Sequence[Declared]) -> list[str]:
    named = Counter(
        (one.type, _region(one), name, *(one.inputs.get(key) for key in _WITHIN.get(one.type, ())))
        for one in made
        # A name that another resource gives is the mock's, and the same for all.
        if one.type in TABLE and (name := one.inputs.get(TABLE[one.type].name)) and not str(name).startswith("arn:")
    )
    return [f"{count} of {key}" for key, count in named.items() if count > 1]


def _region(one: Declared) -> str:
    return "" if one.type.split(":")[1].startswith(_GLOBAL) else one.inputs.get("region", "")


def _overlapping(fleet: Fleet, stack: str) -> list[str]:
    shapes = [shape for shape in (layout(fleet, stack), recovery_layout(fleet, stack)) if shape is not None]
    ranges = [subnet.cidr for shape in shapes for subnet in shape.subnets]
    return [f"{one} and {other} overlap" for one, other in combinations(ranges, 2) if one.overlaps(other)]
