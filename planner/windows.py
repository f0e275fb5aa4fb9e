"""The chance that demand exceeds what work leaves of a cluster: hours for drills and for patches are ranked by it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from quartermaster.planner.capacity import left_after
from quartermaster.planner.plan import ClusterPlan

__all__ = ["capacity_left", "exceedance"]


def exceedance(quantiles: Sequence[float], levels: Sequence[float], capacity: float) -> float:
    """The chance that demand exceeds ``capacity``, from its quantiles at ascending levels.

    Between levels by straight lines; beyond the outermost by exponential tails as steep as the last stretch.
    """
    if not all(map(math.isfinite, quantiles)):
        return 1.0
    if capacity <= 0:
        return 1.0 if quantiles[-1] > 0 else 0.0
    if capacity >= quantiles[-1]:
        steep = _steepness(quantiles[-2:], levels[-2:])
        return (1 - levels[-1]) * (math.exp(-(capacity - quantiles[-1]) / steep) if steep > 0 else 0.0)
    if capacity < quantiles[0]:
        mirrored = [1 - level for level in levels[:2]]
        steep = _steepness([-q for q in quantiles[:2]][::-1], mirrored[::-1])
        below = levels[0] * (math.exp(-(quantiles[0] - capacity) / steep) if steep > 0 else 0.0)
        return 1 - below
    # By the share of the stretch, not by its slope: that overflows where quantiles lie next to each other.
    above = bisect_right(quantiles, capacity)
    share = (capacity - quantiles[above - 1]) / (quantiles[above] - quantiles[above - 1])
    return 1 - (levels[above - 1] + share * (levels[above] - levels[above - 1]))


def capacity_left(plan: ClusterPlan, *, zones_lost: int = 0, instances_lost: int = 0) -> list[float]:
    """Demand that each hour's floor still carries after the loss, at the utilisation allowed then."""
    rules = plan.rules
    counts = [left_after(r.instances, rules.zones, zones_lost) - instances_lost for r in plan.requirement]
    return [max(0, n) * rules.surviving_unit for n in counts]


def _steepness(quantiles: Sequence[float], levels: Sequence[float]) -> float:
    """Scale of the exponential tail that runs through the last two quantiles."""
    if len(quantiles) < 2:
        return 0.0
    return (quantiles[1] - quantiles[0]) / math.log((1 - levels[0]) / (1 - levels[1]))
