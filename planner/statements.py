"""What a reader of a plan must know, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from quartermaster.planner.capacity import Rules
from quartermaster.planner.one import Choice
from quartermaster.planner.prices import Cost

if TYPE_CHECKING:
    from quartermaster.planner.plan import Requirement
    from quartermaster.planner.settings import Settings

__all__ = ["amount", "iso", "of_to", "over_budget", "told"]


def told(choice: Choice, rows: Sequence[Requirement], rules: Rules, lowered: str, stale_days: float) -> tuple[str, ...]:
    """Limits hit, changes lowered, rules that stood in."""
    out = []
    if stale_days > 1:
        out.append(f"the history ends {stale_days:.1f} days before the plan starts: import what came since")
    if choice.fallback:
        out.append(f"low confidence: {choice.reason}")
    if choice.confidence == "low":
        out.append(f"low confidence: {choice.confidence_reason}")
    over = [r for r in rows if r.needed > r.instances]
    if over:
        worst = max(over, key=lambda r: r.needed)
        out.append(
            f"size.max {rules.largest} is hit in {len(over)} hours from {iso(over[0].at)}; at worst {worst.needed} "
            f"instances are needed at {iso(worst.at)}: raise size.max, or accept less in hand then"
        )
    return (*out, lowered) if lowered else tuple(out)


def over_budget(own: Settings, cost: Cost, rules: Rules) -> list[str]:
    """Where the floors cost more than they may, and any group that survives does, or nobody can tell."""
    budget = own.budget_per_month
    if cost.per_month is None:
        unwatched = "" if budget is None else f", and whether the budget of {budget:,.0f} is kept"
        where = f"no price of {cost.instance} in {cost.region} is in the table of {cost.prices_dated}"
        return [f"what the floors cost is unknown{unwatched}: {where} (`ops prices update`)"]
    if budget is None or cost.per_month <= budget:
        return []
    told = f"the floors cost {cost.per_month:,.0f} {cost.currency} a month, the budget is {budget:,.0f}"
    least = cost.per_month / cost.mean_instances * rules.least
    never = f"; the least group, {rules.least} of {cost.instance}, costs {least:,.0f}"
    return [told + (never if least > budget else "")]


def iso(at: datetime) -> str:
    """As JSON has it."""
    return at.isoformat().replace("+00:00", "Z")


def amount(value: float) -> str:
    """A demand as people read it: four figures, and never an exponent."""
    return f"{float(f'{value:.4g}'):,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def of_to(low: int, high: int, between: str = " - ") -> str:
    """A range of counts; one number where it is none."""
    return f"{low:,}" if low == high else f"{low:,}{between}{high:,}"
