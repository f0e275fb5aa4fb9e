"""Target tracking of requests or CPU per host: a pure decision over the last periods of the metric.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html: out as fast as the metric
says, in with care; above 90 % of the target nothing is taken away, and where there is no metric nothing happens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["KEPT", "Change", "Size", "decide", "per_host_and_minute", "percent_of"]

_PERIODS_OUT, _PERIODS_IN = 3, 15
KEPT = _PERIODS_IN
"""Periods that a decision looks at."""
_SLACK = 0.9


@dataclass(frozen=True, slots=True)
class Size:
    """A group as the policy sees it."""

    hosts: int
    """Those that the metric was divided by."""
    desired: int
    low: int
    high: int
    settling: bool
    """A host is on its way in, or in its warm-up."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another desired capacity."""

    desired: int
    why: str


def decide(
    points: Sequence[float | None], target: float, size: Size, of: str = "requests per host and minute"
) -> Change | None:
    """What to change, from the oldest point to the newest; a point without data is None. Pure."""
    recent = points[-_PERIODS_OUT:]
    if len(recent) == _PERIODS_OUT and all(point is not None and point > target for point in recent):
        peak = max(point for point in recent if point is not None)
        wanted = min(size.high, math.ceil(size.hosts * peak / target))
        if wanted > size.desired:
            return Change(wanted, f"{peak:.0f} {of} are more than {target:g}")
    calm = points[-_PERIODS_IN:]
    if len(calm) < _PERIODS_IN or size.settling:
        return None
    if all(point is not None and point < _SLACK * target for point in calm):
        peak = max(point for point in calm if point is not None)
        wanted = max(size.low, math.ceil(size.hosts * peak / target))
        if wanted < size.desired:
            return Change(wanted, f"{peak:.0f} {of} are less than {target:g}")
    return None


def per_host_and_minute(requests: int, seconds: float, hosts: int) -> float | None:
    """The metric of one period. None without requests or hosts: the balancer then reports nothing. Pure."""
    return requests * 60 / seconds / hosts if requests > 0 and hosts and seconds > 0 else None


def percent_of(
    before: Mapping[str, float], after: Mapping[str, float], seconds: float, vcpus: Mapping[str, int]
) -> float | None:
    """The mean CPU load of hosts with so many vCPUs, in percent, from the CPU seconds each had used. Pure.

    A host counts where it ran all the time: one that has booted anew has used less than before.
    """
    used = {key: after[key] - before[key] for key in vcpus if key in before and key in after}
    loads = [100 * one / seconds / vcpus[key] for key, one in used.items() if one >= 0]
    return sum(loads) / len(loads) if loads else None
