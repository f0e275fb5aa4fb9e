"""What to commit to for a year or three: a newsvendor's choice over paths of demand. Advice only; nothing is bought.

One more committed instance is paid at every hour at a share ``r`` of the on-demand price, and saves the full price in
hours that need it: it pays where the chance of being needed, over all hours of the term and all paths, is at least
``r``. So the best number is the (1 - r) quantile of the instances needed (Arrow, Harris & Marschak 1951).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.prices import HOURS_A_MONTH
from quartermaster.planner.calendar import Calendar
from quartermaster.planner.capacity import Rules, requirement
from quartermaster.planner.hourly import instant
from quartermaster.planner.paths import ahead, seed_of
from quartermaster.planner.prices import hour_price
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TERMS", "Commitment", "Purchase", "advise"]

TERMS = {1: 0.73, 3: 0.51}
"""Price of a committed hour as a share of on demand, by years: Compute Savings Plans without upfront payment for m6i,
as remembered of https://aws.amazon.com/savingsplans/compute-pricing/ and not verified."""
_FEWEST_DAYS = 180
_PATHS = 128
_PROFILES = 182
"""Recent days whose shapes are drawn from."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """Instances, of the cluster's type or their worth, that are paid for already."""

    instances: int
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """Advice for one term."""

    years: int
    instances: int
    """To commit to beyond what is committed; 0: nothing."""
    committed: int
    """What is committed now."""
    price_share: float
    used: float | None
    """Share of the term's hours in which the last of them is needed."""
    saves_per_year: float | None
    """Against on demand, on average over the paths; None without a price."""
    saves_low: float | None
    saves_high: float | None
    """80 % interval."""
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def advise(
    series: Series,
    rules: Rules,
    instance: str,
    region: str,
    commitments: Sequence[Commitment] = (),
    factor: float = 1.0,
    calendar: Calendar | None = None,
) -> tuple[Purchase, ...] | str:
    """Advice for each term, or why there is none. ``factor`` is what peaks within hours exceed the series by."""
    known = np.flatnonzero(np.isfinite(series.values))
    days = float(known[-1] - known[0] + 1) * series.interval_us / DAY_US if len(known) else 0.0
    if days < _FEWEST_DAYS:
        return f"needs {_FEWEST_DAYS} days of history, has {days:.0f}"
    length = max(TERMS) * 365
    found = ahead(series, length, _PATHS, calendar)
    if isinstance(found, str):
        return found
    shapes = _shapes(series)
    # A day ahead has the shape of a day of its weekday: those lie whole weeks apart, the last one ending the history.
    weeks = seed_of(series.id, "purchase").integers(0, len(shapes) // 7, found.paths.shape)
    draw = 7 * weeks + np.arange(length) % 7
    start = instant(series.last_us).date()
    held = np.array([_held(commitments, start + timedelta(days=1 + d)) for d in range(length)])
    hour = hour_price(instance, region)
    out = []
    for years, share in sorted(TERMS.items()):
        span = slice(0, years * 365)
        demand = found.paths[:, span, None] * shapes[draw[:, span]] * factor
        # The group holds its min whatever is asked, and never more than its max.
        needed = np.clip(requirement(demand, rules), max(rules.smallest, 1), rules.largest)
        stand = held[span] == held[0]
        usual = float(np.minimum(needed[:, stand], held[0]).mean())
        open_ = np.maximum(needed - held[span][None, :, None], 0).reshape(_PATHS, -1)
        term = _term(years, share, open_, int(held[0]), hour)
        if term.committed:
            netted = f"of the {term.committed:,} committed now {usual:,.1f} are needed on average"
            term = replace(term, reason=f"{netted}; {term.reason}")
        out.append(term)
    return tuple(out)


def _term(years: int, share: float, needed: NDArray[np.int64], held: int, hour: float | None) -> Purchase:
    """The best number to commit to."""
    # The most that at least so many of the hours need: with most first, the one at that place.
    place = needed.size - math.ceil(share * needed.size)
    best = int(np.partition(needed.ravel(), place)[place])
    used = float((needed >= max(best, 1)).mean())
    if not best:
        reason = f"the first further instance is needed in {used:.0%} of hours; it pays from {share:.0%} on"
        return Purchase(years, 0, held, share, None, 0.0 if hour is not None else None, None, None, reason)
    reason = f"the last of them is needed in {used:.0%} of hours, it pays from {share:.0%} on"
    if hour is None:
        return Purchase(years, best, held, share, used, None, None, None, reason)
    saved = (np.minimum(needed, best).mean(axis=1) - best * share) * hour * HOURS_A_MONTH * 12
    low, high = np.quantile(saved, [0.1, 0.9])
    mean = round(float(saved.mean()), 2)
    return Purchase(years, best, held, share, used, mean, round(float(low), 2), round(float(high), 2), reason)


def _shapes(series: Series) -> NDArray[np.float64]:
    """Recent days in whole weeks, each as shares of its peak; where readings lack, the median day."""
    width = max(1, round(DAY_US / series.interval_us))
    days = min(_PROFILES, len(series.values) // width) // 7 * 7
    blocks = series.values[len(series.values) - days * width :].reshape(days, width)
    peak = np.nan_to_num(blocks).max(axis=1, keepdims=True)
    full = np.isfinite(blocks).all(axis=1) & (peak[:, 0] > 0)
    shares = blocks / np.where(peak > 0, peak, 1.0)
    middle = np.median(shares[full], axis=0) if full.any() else np.ones(width)
    return np.asarray(np.where(full[:, None], shares, middle))


def _held(commitments: Sequence[Commitment], day: date) -> int:
    return sum(c.instances for c in commitments if c.until is None or day <= c.until)
