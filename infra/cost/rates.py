"""What pricing one resource may look at: the price table, the regions, the other resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from quartermaster.fleet.prices import HOURS_A_MONTH, Prices
from quartermaster.infra.resources import Resource

__all__ = ["NoPriceError", "Price", "Priced", "Rates", "flat"]


class NoPriceError(Exception):
    """The resource costs something that the table does not know; the text says what."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates a month of a set of resources."""

    prices: Prices
    region: str
    """Of resources that say none."""
    resources: tuple[Resource, ...]

    def month(self, name: str, resource: Resource) -> Decimal:
        """The rate of that name for a month, in the resource's region. Raises NoPriceError."""
        region = self.region_of(resource)
        found = self.prices.rate(name, region)
        if found is None:
            raise NoPriceError(f"no {name} of {region} in the price table")
        return found * HOURS_A_MONTH if name.endswith("_hour") else found

    def region_of(self, resource: Resource) -> str:
        """Where the resource is."""
        return str(resource.inputs.get("region") or self.region)

    def of(self, type_: str) -> Iterator[Resource]:
        """The resources of a type."""
        return (one for one in self.resources if one.type == type_)

    def namesake(self, resource: Resource, type_: str) -> Resource | None:
        """The resource of the type with the same logical name and region."""
        here = self.region_of(resource)
        return next((one for one in self.of(type_) if (one.name, self.region_of(one)) == (resource.name, here)), None)


Priced = tuple[Decimal, str]
"""US dollars a month, and how the figure comes about."""
Price = Callable[[Resource, Rates], Priced]
"""Prices a resource. Raises NoPriceError."""


def flat(name: str, what: str) -> Price:
    """One rate, whatever the resource is like."""
    return lambda resource, rates: (rates.month(name, resource), what)
