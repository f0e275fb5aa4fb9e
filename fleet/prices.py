"""The dated price table: what instances, databases and the rest cost, and how large instances are.

The table that comes with Quartermaster is a start; figures that `ops prices update` read from AWS stand before it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from quartermaster.fleet.price_file import OwnPrices, read_own

__all__ = ["HOURS_A_MONTH", "Prices", "Shape", "load_prices"]

HOURS_A_MONTH = 730
"""AWS's own figure for a month: 8,760 hours over 12."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large an instance type is."""

    vcpu: int
    memory_gib: Decimal
    architecture: str
    """x86_64 or arm64."""


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices as of a date. None means: not in the table, which is not the same as free."""

    _table: Mapping[str, Any]
    _own: OwnPrices

    @property
    def dated(self) -> str:
        """Date of the figures, the newest of them."""
        return self._own.dated or str(self._table["dated"])

    @property
    def currency(self) -> str:
        """Of all figures."""
        return str(self._table["currency"])

    @property
    def source(self) -> str:
        """Where they are from, and how far they were checked."""
        built_in = str(self._table["source"])
        return f"{self._own.source}; what that lacks: {built_in} ({self._table['dated']})" if self._own else built_in

    def instance_hour(self, instance: str, region: str) -> Decimal | None:
        """An EC2 instance on demand, Linux, an hour."""
        return self._hour("instance_hour", instance, region)

    def database_hour(self, instance: str, region: str, *, standby: bool = False) -> Decimal | None:
        """An RDS instance for PostgreSQL (``db.m6i.large``), an hour; a standby doubles it."""
        hour = self._hour("database_hour", instance.removeprefix("db."), region)
        return hour if hour is None or not standby else 2 * hour

    def rate(self, name: str, region: str) -> Decimal | None:
        """Another rate by its name in the table, e.g. ``nat_gateway_hour``."""
        found: Decimal | None = self._own.get("rates", region, name)
        if found is None:
            found = self._table["rates"].get(region, {}).get(name)
        return None if found is None else Decimal(found)

    def shape(self, instance: str) -> Shape | None:
        """Size of an EC2 or RDS instance type; None for an unknown one."""
        family, size = _parts(instance.removeprefix("db."))
        known = self._table["families"].get(family)
        if known is None or size not in known["sizes"]:
            return None
        multiple = Decimal(self._table["sizes"][size])
        vcpu = int(2 * multiple) if multiple >= 1 else 2 if family.startswith("t") else 1
        return Shape(vcpu, (known["memory_gib"] * multiple).normalize(), known["architecture"])

    def regions(self) -> tuple[str, ...]:
        """Regions that have prices, the table's or this user's own."""
        return tuple({**self._table["rates"], **self._own.figures.get("rates", {})})

    def instance_types(self) -> frozenset[str]:
        """EC2 instance types with a price in some region."""
        return self._types("instance_hour", "")

    def database_types(self) -> frozenset[str]:
        """RDS instance types with a price in some region."""
        return self._types("database_hour", "db.")

    def _hour(self, what: str, instance: str, region: str) -> Decimal | None:
        own = self._own.get(what, region, instance)
        if own is not None:
            return own
        family, size = _parts(instance)
        large = self._table[what].get(region, {}).get(family)
        if large is None or self.shape(instance) is None:
            return None
        return (Decimal(large) * Decimal(self._table["sizes"][size])).normalize()

    def _types(self, what: str, prefix: str) -> frozenset[str]:
        families = {family for prices in self._table[what].values() for family in prices}
        return frozenset(
            f"{prefix}{family}.{size}" for family in families for size in self._table["families"][family]["sizes"]
        )


@cache
def load_prices(*, own: bool = True) -> Prices:
    """The table that comes with Quartermaster and, before it, this user's own. Raises InputError for a broken file."""
    text = files("quartermaster.fleet").joinpath("prices.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text, parse_float=Decimal)
    return Prices(table, read_own() if own else OwnPrices())


def _parts(instance: str) -> tuple[str, str]:
    family, _, size = instance.partition(".")
    return family, size
