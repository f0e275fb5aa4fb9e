"""Whether a series can be planned for: it is demand, and recent enough."""

from __future__ import annotations

from datetime import datetime, timedelta

from quartermaster.fleet.errors import InputError
from quartermaster.planner.hourly import instant
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series
from quartermaster.planner.statements import iso

__all__ = ["no_demand", "stale_steps"]

_LONGEST_STALE_DAYS = 92


def no_demand(series: Series) -> str:
    """Why nothing can be planned for a series; empty where it can."""
    if not series.known:
        return f"none of its {len(series.values)} intervals has a usable reading"
    if series.lower < 0:
        return "it is often negative: that is no demand"
    if series.interval_us > DAY_US:
        return f"an interval of {series.interval_us / DAY_US:.3g} days is too coarse for a plan by the hour"
    return ""


def stale_steps(series: Series, now: datetime | None) -> int:
    """Intervals that have passed since the last row; at most a quarter of a year of them is bridged."""
    if now is None:
        return 0
    behind = int((now - instant(series.last_us)) / timedelta(microseconds=1))
    if behind > _LONGEST_STALE_DAYS * DAY_US:
        raise InputError(
            f"the history of {series.id} ends at {iso(instant(series.last_us))}, {behind // DAY_US} days ago",
            remedy="bring it up to date: ops metrics import FILE; or plan from a file with --metrics",
        )
    return max(0, behind // series.interval_us)
