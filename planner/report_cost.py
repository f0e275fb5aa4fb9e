"""The cost in the report: what the stack costs a month, how that came about, what the plan makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from quartermaster.planner.report_cluster import Table, money, when
from quartermaster.planner.spent import Spent

__all__ = ["CostPart", "cost", "sentence"]


@dataclass(frozen=True, slots=True)
class CostPart:
    """The part as the template spells it out."""

    cards: list[tuple[str, str, str]]
    past: Table
    """Run, when it ended, by how much it moved the cost, what that came to."""
    shares: list[float]
    """What each run's came to, of the highest, in hundredths."""
    resources: Table | None
    """None: nothing was provisioned yet."""
    unknown: str
    """What has no price; empty: all has."""
    by_use: str


def cost(found: Spent, zone: tzinfo) -> CostPart:
    """The part of the page on what is paid."""
    now: Mapping[str, Any] = found.now or {}
    cards = [(f"Planned for {name}", *_planned(one)) for name, one in found.planned.items()]
    resources = None
    if found.now is not None:
        as_left = f"as ops provision up left it {when(found.at, zone)}" if found.at else ""
        cards.insert(0, ("All resources, a month", money(now["after"], now["currency"]), as_left))
        rows = [
            [one["name"], one["type"].rpartition(":")[2], f"{one['after']:,.2f}", one["why"]]
            for one in now["resources"]
            if one["after"]
        ]
        resources = Table(("resource", "type", f"{now['currency']} a month", "why"), rows, (2,))
    past = [
        [
            one.run,
            when(one.ended_at, zone) if one.ended_at else "",
            f"{one.delta_per_month:+,.2f}",
            f"{one.per_month:,.2f}",
        ]
        for one in found.past
    ]
    table = Table(("run", "ended", "by", "a month"), past, (2, 3))
    unknown, by_use = ", ".join(now.get("unknown", ())), "; ".join(now.get("not_included", ()))
    return CostPart(cards, table, [found.share(one) for one in found.past], resources, unknown, by_use)


def sentence(found: Spent) -> str:
    """The cost in words; empty where nothing was provisioned."""
    if found.now is None:
        return ""
    return f"The stack costs {money(found.now['after'], found.now['currency'])} a month, charges by use not included."


def _planned(one: Mapping[str, Any]) -> tuple[str, str]:
    """A cluster's planned cost, and what it is made of."""
    currency, peak = one["currency"], one["static_peak_per_month"]
    sum_ = "not in the price table" if one["per_month"] is None else money(one["per_month"], currency)
    always = "" if peak is None else f"; {money(peak, currency)} at constant peak"
    return sum_, f"{one['mean_instances']:.1f} {one['instance']} at a mean{always}"
