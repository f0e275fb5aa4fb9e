"""Runway: when demand's yearly way meets the most that the group may hold. Thin: a robust line through weekly peaks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from quartermaster.planner.capacity import Rules, carried
from quartermaster.planner.hourly import instant
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

__all__ = ["Runway", "runway"]

_FEWEST_WEEKS = 6
_MOST_WEEKS = 52
_FURTHEST_DAYS = 3 * 365


@dataclass(frozen=True, slots=True)
class Runway:
    """Dates (ISO) by which a week's peak exceeds what the largest group carries; None with the reason."""

    limit: str
    p10: str | None
    """With a chance of one in ten it is met before."""
    p50: str | None
    p90: str | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def runway(series: Series, rules: Rules) -> Runway:
    """Dates for the limit ``size.max``, by the trend of weekly peaks (Theil-Sen, its 80 % interval)."""
    if rules.largest is None:
        return Runway("size.max", None, None, None, "no size.max is known")
    week = round(7 * DAY_US / series.interval_us)
    weeks = min(_MOST_WEEKS, len(series.values) // week) if week else 0
    if weeks < _FEWEST_WEEKS:
        return Runway("size.max", None, None, None, f"needs {_FEWEST_WEEKS} weeks of history, has {weeks}")
    blocks = series.values[len(series.values) - weeks * week :].reshape(weeks, week)
    enough = np.isfinite(blocks).sum(axis=1) > week / 2
    if enough.sum() < _FEWEST_WEEKS:
        return Runway("size.max", None, None, None, f"only {int(enough.sum())} weeks have readings")
    peaks = np.nanmax(blocks[enough], axis=1)
    at = np.flatnonzero(enough) - (weeks - 1)
    from scipy.stats import theilslopes

    slope, base, low, high = map(float, theilslopes(peaks, at, alpha=0.8))
    # How far single weeks stand above the line: the limit is met by a high week, not by the mean one.
    above = float(np.quantile(peaks - (base + slope * at), 0.9))
    limit = carried(rules.largest, rules)
    if base + above >= limit:
        today = _date(series, 0.0)
        reason = f"weekly peaks already reach {base + above:.4g}, size.max {rules.largest} carries {limit:.4g}"
        return Runway("size.max", today, today, today, reason)
    early, middle, late = (_date(series, (limit - above - base) / s if s > 0 else np.inf) for s in (high, slope, low))
    if early is None:
        reason = f"weekly peaks of {base + above:.4g} with {slope:+.3g} a week stay under {limit:.4g} for three years"
    else:
        reason = f"weekly peaks of {base + above:.4g} move by {slope:+.3g} a week ({low:+.3g} to {high:+.3g})"
    return Runway("size.max", early, middle, late, reason)


def _date(series: Series, weeks: float) -> str | None:
    days = max(0.0, weeks * 7)
    if not np.isfinite(days) or days > _FURTHEST_DAYS:
        return None
    return (instant(series.last_us) + timedelta(days=days)).date().isoformat()
