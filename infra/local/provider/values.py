"""Property values of the engine's protocol to plain Python and back, and how a found value compares to a given one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.provider.experimental.property_value import Computed, PropertyValue, ResourceReference
from pulumi.runtime import rpc

__all__ = ["UNKNOWN", "has_unknown", "plain", "plain_map", "project", "wrapped_map"]


class _Unknown:
    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Any = _Unknown()
"""Stands for a value that is known only after another resource is made."""


def plain(value: PropertyValue) -> Any:
    """The Python value; whole numbers become int, unknowns UNKNOWN."""
    inner = value.value
    # The SDK leaves an unknown as the text that the protocol spells it with.
    if isinstance(inner, Computed) or inner == rpc.UNKNOWN:
        return UNKNOWN
    if isinstance(inner, bool) or inner is None or isinstance(inner, str):
        return inner
    if isinstance(inner, float):
        return int(inner) if inner.is_integer() else inner
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence):
        return [plain(item) for item in inner if isinstance(item, PropertyValue)]
    if isinstance(inner, ResourceReference):
        return inner.urn
    return inner


def plain_map(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Every value plain, nulls left out, keys of the protocol (``__defaults``) too."""
    pairs = ((key, plain(value)) for key, value in values.items() if not key.startswith("__"))
    return {key: value for key, value in pairs if value is not None}


def _wrapped(value: Any) -> PropertyValue:
    if value is UNKNOWN:
        return PropertyValue(rpc.UNKNOWN)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return PropertyValue(value)
    if isinstance(value, (int, float)):
        return PropertyValue(float(value))
    if isinstance(value, Mapping):
        return PropertyValue({key: _wrapped(item) for key, item in value.items()})
    if isinstance(value, (pulumi.Asset, pulumi.Archive)):
        return PropertyValue(value)
    return PropertyValue([_wrapped(item) for item in value])


def wrapped_map(values: Mapping[str, Any]) -> dict[str, PropertyValue]:
    """Every value as the protocol wants it."""
    return {key: _wrapped(value) for key, value in values.items()}


def has_unknown(value: Any) -> bool:
    """Is there an UNKNOWN anywhere in it?"""
    if value is UNKNOWN:
        return True
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    return isinstance(value, list) and any(has_unknown(item) for item in value)


def project(given: Any, found: Any) -> Any:
    """The found value seen through the given one: only the keys that were given, lists in the given order.

    What AWS adds by default is thus no drift, a changed or lost value is.
    """
    if isinstance(given, Mapping) and isinstance(found, Mapping):
        return {key: project(value, found[key]) for key, value in given.items() if key in found}
    if isinstance(given, list) and isinstance(found, list):
        if len(given) == len(found) and sorted(map(repr, given)) == sorted(map(repr, found)):
            return given
        if len(given) == len(found) and all(isinstance(item, Mapping) for item in (*given, *found)):
            return [project(one, other) for one, other in zip(given, found, strict=True)]
        if given and all(isinstance(item, Mapping) for item in (*given, *found)):
            known = {key: value for item in given for key, value in item.items()}
            return [project(known, item) for item in found]
        return found
    if isinstance(given, str) and isinstance(found, (int, bool)):
        return str(found).lower() if isinstance(found, bool) else str(found)
    if isinstance(given, (int, float)) and isinstance(found, str) and found.lstrip("-").isdigit():
        return int(found)
    return found
