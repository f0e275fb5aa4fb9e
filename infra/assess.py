"""Cost and policy of a set of resources, in the shape of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quartermaster.fleet.events import Json
from quartermaster.infra.resources import Resource

__all__ = ["cost_per_month", "findings"]


def cost_per_month(before: Sequence[Resource], after: Sequence[Resource], region: str) -> Mapping[str, Json]:
    """{before, after, currency, unknown}: usage charges not included."""
    return {"before": None, "after": None, "currency": "USD", "unknown": []}


def findings(resources: Sequence[Resource]) -> Sequence[Mapping[str, Any]]:
    """[{rule, severity, resource, reason, remedy}]."""
    return []
