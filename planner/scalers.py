"""How AWS's own scalers would have followed a demand, in steps of five minutes: stand-ins for a replay.

Target tracking adds what is missing once its metric has stood above the target for three minutes, and the new hosts
serve a lead time later; it removes hosts only after fifteen minutes at less than nine tenths of the target.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html

Predictive scaling takes up to 14 days of history, looks 48 hours ahead by the hour, is renewed every 6 hours, and only
ever adds: scaling in is left to the target tracking beside it.
https://docs.aws.amazon.com/autoscaling/application/userguide/aas-predictive-scaling-how-it-works.html
What AWS computes from the 14 days is not published: here it is the mean of that hour of the week in them, moved to the
level of the last day.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["IN_SHARE", "STEP_MINUTES", "predicted", "tracked"]

STEP_MINUTES = 5
"""Length of a step of the replay."""
IN_SHARE = 0.9
"""Share of the target below which hosts are removed."""
_METRIC_MINUTES = 4
"""Three readings of a minute above the target, and one for the metric to arrive."""
_IN_MINUTES = 15
_HISTORY_DAYS = 14
_REFRESH_HOURS = 6
_MOST_GROWN = 100.0


def tracked(
    wanted: NDArray[np.int64],
    kept: NDArray[np.int64],
    target: NDArray[np.intp],
    floor: NDArray[np.int64],
    lead_minutes: float,
) -> NDArray[np.int64]:
    """Instances that serve at each step, (steps, ways), under target tracking above a floor.

    ``wanted`` is what each of some targets asks for at a step, ``kept`` what it would keep of more than that (by
    ``IN_SHARE``), (steps, targets); ``target`` is the one that each way goes by, ``floor`` its group's min. Floors take
    their lead time to serve as all else does.
    """
    seen = math.ceil(_METRIC_MINUTES / STEP_MINUTES)
    late = math.ceil(lead_minutes / STEP_MINUTES - 1e-9)
    rising = _held(wanted, seen)[:, target]
    calm = _highest(_held(kept, seen), _IN_MINUTES // STEP_MINUTES)[:, target]
    orders = np.empty_like(floor)
    ordered = np.maximum(floor[0], wanted[0, target])
    for before, most, least, now in zip(rising, calm, floor, orders, strict=True):
        np.maximum(ordered, before, out=now)
        np.minimum(now, most, out=now)
        np.maximum(now, least, out=now)
        ordered = now
    # What was ordered a lead time ago and not given up since serves.
    return -_highest(-orders, late)


def predicted(hours: NDArray[np.float64], start: int) -> NDArray[np.float64]:
    """The load forecast in force at each hour from ``start`` on, as predictive scaling would have made it."""
    out = np.zeros(len(hours) - start)
    for begin in range(start, len(hours), _REFRESH_HOURS):
        past = hours[max(0, begin - 24 * _HISTORY_DAYS) : begin]
        out[begin - start : begin - start + _REFRESH_HOURS] = _ahead(past)[: len(hours) - begin]
    return out


def _ahead(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """The next hours as the same ones of the two weeks, moved to today's level; of their days where weeks lack."""
    level = _mean(past[-24:])
    for period in (168, 24):
        views = []
        for shift in range(period, len(past) - 23, period):
            then = past[len(past) - shift : len(past) - shift + _REFRESH_HOURS]
            before = _mean(past[len(past) - shift - 24 : len(past) - shift])
            views.append(then * min(level / before, _MOST_GROWN) if before > 0 and level > 0 else then)
        if views and np.isfinite(views).any(axis=0).all():
            return np.asarray(np.nanmean(np.stack(views), axis=0))
    return np.full(_REFRESH_HOURS, level if np.isfinite(level) else 0.0)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _held(values: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """As they stood so many steps ago; the first before there were any."""
    return np.concatenate([np.repeat(values[:1], steps, axis=0), values[: len(values) - steps]])


def _highest(values: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """The highest of each step and so many before it."""
    out = values.copy()
    for back in range(1, min(steps, len(values) - 1) + 1):
        np.maximum(out[back:], values[:-back], out=out[back:])
    return out
