"""Costs as values: of one resource, of a stack, and the difference between two."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["Line", "MonthlyCost", "change"]

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Line:
    """The cost of one resource."""

    urn: str
    name: str
    type: str
    usd_per_month: Decimal
    why: str
    """How the figure comes about, e.g. ``3 hosts (the group's min) of m6i.large``."""


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """Cost of a set of resources a month."""

    lines: tuple[Line, ...]
    unknown: tuple[str, ...]
    """What costs something and has no price here, named with the reason."""
    by_use: tuple[str, ...]
    """Charges that depend on use, and so are not in the total."""
    currency: str
    dated: str
    """Date of the price table."""
    source: str
    """Where its prices are from, and how far they were checked."""

    @property
    def total(self) -> Decimal:
        """Sum of the lines, to the cent."""
        return sum((line.usd_per_month for line in self.lines), Decimal(0)).quantize(_CENT)

    def to_json(self) -> dict[str, Any]:
        """With figures as numbers."""
        return {
            "total": float(self.total),
            "currency": self.currency,
            "dated": self.dated,
            "source": self.source,
            "lines": [
                {"name": one.name, "type": one.type, "per_month": _cents(one.usd_per_month), "why": one.why}
                for one in self.lines
            ],
            "unknown": list(self.unknown),
            "by_use": list(self.by_use),
        }


def change(before: MonthlyCost, after: MonthlyCost) -> dict[str, Any]:
    """``cost_per_month`` of a preview: the totals, and each resource that costs something on either side."""
    old = {line.urn: line for line in before.lines if line.usd_per_month}
    new = {line.urn: line for line in after.lines if line.usd_per_month}
    resources = []
    for urn, line in {**old, **new}.items():
        was = old[urn].usd_per_month if urn in old else Decimal(0)
        will = new[urn].usd_per_month if urn in new else Decimal(0)
        resources.append(
            {
                "urn": urn,
                "name": line.name,
                "type": line.type,
                "before": _cents(was),
                "after": _cents(will),
                "delta": _cents(will - was),
                "why": line.why,
            }
        )
    return {
        "before": float(before.total),
        "after": float(after.total),
        "delta": float(after.total - before.total),
        "currency": after.currency,
        "unknown": list(after.unknown),
        "not_included": list(after.by_use),
        "dated": after.dated,
        "source": after.source,
        "resources": sorted(resources, key=lambda one: (-one["after"], one["name"], one["type"])),
    }


def _cents(usd: Decimal) -> float:
    return float(usd.quantize(_CENT))
