"""What a stack costs a month, from its resources and the dated price table. Pure.

Only what is paid for whether it is used or not has a figure. Charges by use (traffic, requests, stored data) are
named, not guessed. A group is priced at the hosts that it holds at least. ``table.py`` says which type is priced where.
"""

from __future__ import annotations

from collections.abc import Iterable

from quartermaster.fleet.prices import load_prices
from quartermaster.infra.cost.money import Line, MonthlyCost, change
from quartermaster.infra.cost.rates import NoPriceError, Rates
from quartermaster.infra.cost.table import BY_USE, PRICED, is_free
from quartermaster.infra.resources import Resource

__all__ = ["Line", "MonthlyCost", "change", "monthly_cost"]


def monthly_cost(resources: Iterable[Resource], region: str) -> MonthlyCost:
    """The cost of these resources; each in its own region where it says one, else in ``region``."""
    everything = tuple(resources)
    rates = Rates(load_prices(), region, everything)
    lines, unknown, by_use = [], [], dict[str, None]()
    for resource in everything:
        if resource.type in BY_USE:
            by_use[BY_USE[resource.type]] = None
        price = PRICED.get(resource.type)
        if price is None:
            if not is_free(resource.type):
                unknown.append(f"{resource.name} ({resource.type}): no price for this type")
            continue
        try:
            usd, why = price(resource, rates)
        except NoPriceError as exc:
            unknown.append(f"{resource.name} ({resource.type}): {exc}")
        else:
            lines.append(Line(resource.urn, resource.name, resource.type, usd, why))
    table = rates.prices
    return MonthlyCost(tuple(lines), tuple(unknown), tuple(by_use), table.currency, table.dated, table.source)
