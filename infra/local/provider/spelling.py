"""Inputs and nested blocks between Pulumi's spelling and AWS's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartermaster.infra.local.provider.kind import Given, State

__all__ = ["asked", "camel", "pascal", "told"]


def asked(names: Mapping[str, str], given: Given) -> dict[str, Any]:
    """What is given of the inputs (Pulumi's name → AWS's), as the API takes it."""
    return {theirs: given[ours] for ours, theirs in names.items() if given.get(ours) is not None}


def told(names: Mapping[str, str], found: Given) -> State:
    """What the API tells of them, under Pulumi's names."""
    return {ours: found[theirs] for ours, theirs in names.items() if found.get(theirs) is not None}


def pascal(value: Any) -> Any:
    """Keys of nested blocks to AWS's spelling: ``httpTokens`` to ``HttpTokens``."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: pascal(item) for key, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


def camel(value: Any) -> Any:
    """And back."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value
