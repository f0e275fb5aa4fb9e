"""What a plan advises beyond its floors: what to commit to, and which instance type. Nothing of it is ever done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.capacity import Rules
from quartermaster.planner.paths import ahead
from quartermaster.planner.purchase import Purchase
from quartermaster.planner.purchase import advise as what_to_commit
from quartermaster.planner.series import Series
from quartermaster.planner.sizing import Choice, choose, worlds
from quartermaster.planner.unit import UnitCapacity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quartermaster.planner.settings import Settings

__all__ = ["Advice", "advise"]

_DAYS = 182
"""Over which the instance type is chosen: a type is changed more often than a year passes."""


@dataclass(frozen=True, slots=True)
class Advice:
    """For people to decide on."""

    purchase: tuple[Purchase, ...]
    purchase_reason: str
    """Why there is none."""
    instance: Choice

    def to_json(self) -> dict[str, Any]:
        return {
            "purchase": [p.to_json() for p in self.purchase],
            "purchase_reason": self.purchase_reason,
            "instance_choice": self.instance.to_json(),
        }


def advise(
    series: Series, demand: NDArray[np.float64], rules: Rules, own: Settings, unit: UnitCapacity, factor: float
) -> Advice:
    """Advice for a series by the hour or coarser, whose plan provides for ``demand``."""
    bought = what_to_commit(series, rules, own.instance, own.region, own.commitments, factor, own.calendar)
    found = ahead(series, _DAYS, calendar=own.calendar)
    scales = np.ones(1)
    if not isinstance(found, str) and found.usual > 0:
        scales = np.clip(found.paths.mean(axis=1) / found.usual, 0.1, 10.0)
    scale, carries = worlds(series.id, scales, unit)
    chosen = choose(demand, rules, own.instance, own.region, scale, carries)
    return Advice(() if isinstance(bought, str) else bought, bought if isinstance(bought, str) else "", chosen)
