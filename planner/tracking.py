"""Target tracking above a plan's floors: how busy it keeps hosts, so that it begins before the floors are full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.capacity import Rules, carried, requirement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quartermaster.planner.settings import Settings

__all__ = ["Tracking", "above_floors", "tracking_of"]


@dataclass(frozen=True, slots=True)
class Tracking:
    """What target tracking above the floors holds."""

    utilisation: float
    """How busy hosts are kept, as a share; 0: nothing tracks."""
    given: bool
    """Whether fleet.yaml says it, rather than the plan."""
    target: float | None
    """The same in percent of CPU, or requests per host and minute; None where the latter is not known or nothing
    tracks."""
    planned: float
    """What the plan would keep, also where fleet.yaml says another; 0: nothing tracks."""

    def told(self) -> str:
        """For people."""
        if not self.utilisation:
            return "nothing tracks demand above the floors (scaling.track: none)"
        held = f"target tracking above the floors keeps hosts {self.utilisation:.0%} busy"
        if self.given:
            own = "" if round(100 * self.planned) == round(100 * self.utilisation) else f"{self.planned:.0%}"
            return f"{held}, as scaling.target says{own and f' (without it the plan would keep {own})'}"
        return f"{held}: it begins half-way from the median of demand to what the floors carry"

    def to_json(self) -> dict[str, Any]:
        return {
            "target_utilisation": self.utilisation,
            "planned_utilisation": self.planned,
            "source": "scaling.target" if self.given else "plan",
            "target": self.target,
        }


def tracking_of(provided: NDArray[np.float64], median: NDArray[np.float64], rules: Rules, own: Settings) -> Tracking:
    """What fleet.yaml says, else what the plan does."""
    given = own.tracking is not None
    planned = above_floors(provided, median, rules) if own.tracking != 0 else 0.0
    held = own.tracking if own.tracking is not None else planned
    target: float | None = None
    if held and own.tracks == "cpu":
        target = round(100 * held, 1)
    elif held and own.unit is not None and own.unit_is_per_second:
        target = float(f"{own.unit / rules.target_utilisation * held * 60:.3g}")
    return Tracking(held, given, target, planned)


def above_floors(provided: NDArray[np.float64], median: NDArray[np.float64], rules: Rules) -> float:
    """As busy as hosts are when demand is half-way from its median to what they carry; the median of the demand.

    ``provided`` is what the floors are for. What tracking adds serves minutes later. A target that is met when the
    floors are full adds too late; one that is met half-way is early on a day unlike its forecast, and on all others
    adds next to nothing: the surer the forecast, the nearer the floors are to the median, and the busier hosts may be.
    Hours count by their demand: tracking answers to that, and a group that idles on its min by night tells nothing of
    the day.
    """
    hosts, place = np.unique(
        np.clip(requirement(provided, rules), max(rules.smallest, 1), rules.largest), return_inverse=True
    )
    most = np.array([carried(int(n), rules) for n in hosts])[place]
    busy = _median((median + most) / 2 / (hosts[place] * rules.unit), median)
    return rules.target_utilisation * min(busy, 1.0) if busy > 0 else rules.tracking_utilisation


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Half of the weights lie at or below it; where there are none each value counts alike."""
    highest = weights.max()
    order = np.argsort(values)
    upto = np.cumsum(weights[order] / highest if highest > 0 else np.ones(len(values)))
    return float(values[order[np.searchsorted(upto, upto[-1] / 2)]])
