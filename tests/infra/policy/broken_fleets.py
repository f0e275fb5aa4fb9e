"""The default fleet as `ops init` writes it, with a protected stack on AWS, and its resources changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import mocked

from quartermaster.fleet.schema import Fleet, example, read_text
from quartermaster.infra.policy import Finding, check
from quartermaster.infra.resources import Resource

__all__ = ["TODAY", "Change", "added", "default_resources", "found", "gone", "the_fleet", "with_inputs"]

TODAY = date(2026, 11, 21)
Change = Callable[[list[Resource]], list[Resource]]
"""What is done to the default fleet's resources to break a rule."""


@cache
def the_fleet(*edits: tuple[str, str]) -> Fleet:
    """The example, each edit replacing one text by another."""
    text = example("shop").replace("  # prod: {target: aws", "  prod: {target: aws")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return read_text(text).fleet


@cache
def _declared(stack: str) -> tuple[Resource, ...]:
    made = mocked.declared(the_fleet(), stack)
    return tuple(Resource(one.urn, one.type, one.name, one.inputs) for one in made if one.custom)


def default_resources(stack: str = "prod") -> list[Resource]:
    """What the program declares for the default fleet."""
    return list(_declared(stack))


def found(*changes: Change, stack: str = "prod", judged_as: Fleet | None = None) -> list[Finding]:
    """What the default fleet's resources break after the changes; ``judged_as`` is another fleet's word on them."""
    resources = default_resources(stack)
    for change in changes:
        resources = change(resources)
    return check(resources, judged_as or the_fleet(), stack, TODAY)


def with_inputs(short: str, **inputs: Any) -> Change:
    """The first resource of the type (``Instance`` of rds: ``rds/Instance``) with other inputs; None takes one away."""

    def change(resources: list[Resource]) -> list[Resource]:
        one = next(resource for resource in resources if _is(resource, short))
        rest = {name: value for name, value in {**one.inputs, **inputs}.items() if value is not None}
        return [Resource(one.urn, one.type, one.name, rest) if item is one else item for item in resources]

    return change


def gone(short: str) -> Change:
    """Without any resource of the type."""
    return lambda resources: [resource for resource in resources if not _is(resource, short)]


def added(type_: str, name: str = "other", **inputs: Any) -> Change:
    """With one resource more."""
    one = Resource(f"urn:pulumi:prod::shop::{type_}::{name}", type_, name, inputs)
    return lambda resources: [*resources, one]


def _is(resource: Resource, short: str) -> bool:
    module, _, name = short.rpartition("/")
    return resource.type.endswith(f":{name}") and f":{module}" in resource.type
