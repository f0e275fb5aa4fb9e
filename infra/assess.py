"""Cost and policy of a set of resources, in the shape of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from quartermaster.fleet.events import Json
from quartermaster.infra.cost import change, monthly_cost
from quartermaster.infra.policy import check
from quartermaster.infra.resources import Resource

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["cost_per_month", "findings"]


def cost_per_month(before: Sequence[Resource], after: Sequence[Resource], region: str) -> Mapping[str, Json]:
    """{before, after, currency, unknown, …}, with the resources behind the sums: usage charges not included."""
    return change(monthly_cost(before, region), monthly_cost(after, region))


def findings(resources: Sequence[Resource], fleet: Fleet, stack: str) -> Sequence[Mapping[str, Json]]:
    """[{rule, severity, resource, reason, remedy, waived}]; waivers hold by the date where its people are."""
    today = datetime.now(fleet.tz).date()
    return [finding.to_json() for finding in check(resources, fleet, stack, today)]
