"""Nested blocks between Pulumi's spelling and AWS's."""

from __future__ import annotations

from typing import Any

__all__ = ["camel", "pascal"]


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
