"""Local clocks: people live by them, so that in UTC their demand moves by an hour twice a year.

A series is put on the clock's own steady grid: the hour that is left out in spring is filled, the one that comes twice
in autumn is merged. There it is forecast, and the forecast is mapped back to exactly the UTC steps that were asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Local", "infer", "localised"]

_RULES = ("America/New_York", "Europe/Berlin", "Australia/Sydney", "Pacific/Auckland", "America/Santiago")
"""One zone for each rule of when clocks change: they differ by the Sunday."""
_BETTER = 0.8
"""Days after a change of clocks must fit those before this much better when read an hour off than when not,"""
_THAN_ELSEWHERE = 0.75
"""and as much better than days do when read an hour off where no clock changed,"""
_SHAPED = 1.1
"""where an hour must matter: a series without a daily shape follows no clock."""
_FEWEST_DAYS = 4
_SEEN_DAYS = 800
"""History that a clock is inferred from: four changes of clocks."""
_SPAN_US = 364 * DAY_US
_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """A series by the clock of its people, and the way back to UTC."""

    series: Series
    """``last_us`` is what the clock shows at its last step, as if that were UTC."""
    steps: int
    """Steps to forecast it."""
    back: Callable[[SeriesForecast], SeriesForecast]
    """From a forecast of ``steps`` of it to one of the series it was made of."""


def localised(series: Series, horizon: int, zone: tzinfo) -> Local:
    """The series by the clock of ``zone``, to be forecast so that ``horizon`` UTC steps come out.

    The steps of days and longer stay as they are; those that do not divide an hour keep the clock of the last row.
    """
    interval = series.interval_us
    if interval >= DAY_US:
        return Local(series, horizon, lambda made: made)
    count = len(series.values)
    stamps = series.last_us + interval * np.arange(1 - count, horizon + 1)
    offsets = _offsets(zone, stamps)
    if (np.diff(offsets) % interval).any():
        offsets[:] = offsets[count - 1]
    shown = stamps + offsets
    ahead = shown[count:]
    # In autumn the next row may show what the clock showed before: such readings are left to the forecast.
    end = min(int(shown[:count].max()), int(ahead.min()) - interval)
    steps = (shown[:count] - end) // interval
    kept = steps <= 0
    if not np.isfinite(series.values[kept]).any():
        return Local(series, horizon, lambda made: made)
    values = _regular(steps[kept], series.values[kept])
    at = (ahead - end) // interval - 1

    def back(made: SeriesForecast) -> SeriesForecast:
        ranks = None if made.ranks is None else made.ranks[:, at]
        return replace(made, series=series, mean=made.mean[at], quantiles=made.quantiles[at], ranks=ranks)

    return Local(replace(series, last_us=end, values=values), int(at.max()) + 1, back)


@lru_cache(maxsize=256)  # cleaning asks, then forecasting
def infer(series: Series) -> ZoneInfo | None:
    """A zone whose clock the days of the series move with; None where none fits clearly better than UTC.

    The days after each change of clocks are compared with the same weekdays before it, read as they are and an hour
    off. Which zone it is among those of one rule cannot be told, nor any where clocks did not change in the history.
    """
    day = series.seasons.day
    hour = HOUR_US // series.interval_us
    if day < 24 or HOUR_US % series.interval_us or len(series.values) < 21 * day:
        return None
    values = series.values[-_SEEN_DAYS * day :]
    days = len(values) // day
    # Days that end with the last row, an hour beside each on both sides.
    padded = np.concatenate((np.full(hour, np.nan), values[-days * day :], np.full(hour, np.nan)))
    start = series.last_us - (days * day - 1) * series.interval_us
    as_is, early, late = (padded[k : k + days * day].reshape(days, day) for k in (hour, 2 * hour, 0))
    plain = _apart(as_is, as_is)
    off = {1: _apart(as_is, early), -1: _apart(as_is, late)}
    best, found = _BETTER, None
    for name in _RULES:
        zone = ZoneInfo(name)
        changes = [
            (int((at - start) // DAY_US), 1 if by > 0 else -1)
            for at, by in _changes(zone, start, series.last_us)
            if abs(by) == HOUR_US
        ]
        ratio = _ratio(changes, plain, off)
        if ratio < best:
            best, found = ratio, zone
    return found


def _ratio(
    changes: Sequence[tuple[int, int]], plain: NDArray[np.float64], off: dict[int, NDArray[np.float64]]
) -> float:
    """How much better the days after changes of clocks fit those before an hour off; infinite where nothing shows."""
    # Row 0 compares with one week before, row 1 with two: they lie across the change in the first or second week.
    across = np.zeros((2, plain.shape[1]), dtype=bool)
    beside = np.ones_like(across)
    apart = moved = elsewhere = still = 0.0
    seen = 0
    for sign in (1, -1):
        across[:] = False
        for at, way in changes:
            beside[:, max(0, at) : at + 15] = False
            if way == sign:
                across[0, at + 1 : at + 7] = True
                across[1, at + 7 : at + 14] = True
        mine = across & np.isfinite(plain) & np.isfinite(off[sign])
        apart, moved, seen = apart + plain[mine].sum(), moved + off[sign][mine].sum(), seen + int(mine.sum())
    for sign in {way for _, way in changes}:
        rest = beside & np.isfinite(plain) & np.isfinite(off[sign])
        still, elsewhere = still + plain[rest].sum(), elsewhere + off[sign][rest].sum()
    if seen < _FEWEST_DAYS or apart <= 0 or still <= 0:
        return np.inf
    usual = elsewhere / still
    ratio = float(moved / apart)
    return ratio if usual >= _SHAPED and ratio <= _THAN_ELSEWHERE * usual else np.inf


def _apart(days: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance of each day's shape to that of the weekday one and two weeks before, (2, days)."""
    out = np.full((2, len(days)), np.nan)
    for row, lag in enumerate((7, 14)):
        distance = days[lag:] - others[:-lag]
        with np.errstate(invalid="ignore", over="ignore"):
            # A day with a hole says nothing.
            out[row, lag:] = ((distance - distance.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return out


def _regular(steps: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at ascending step numbers, the last 0: means of what shares a step, a left-out hour drawn through."""
    place = steps - int(steps.min())
    size = 1 - int(steps.min())
    known = np.isfinite(values)
    number = np.bincount(place[known], minlength=size)
    share = values[known] / np.maximum(number, 1)[place[known]]
    out = np.where(number > 0, np.bincount(place[known], weights=share, minlength=size), np.nan)
    empty = np.bincount(place, minlength=size) == 0
    if empty.any() and known.any():
        there = np.flatnonzero(number > 0)
        out[empty] = np.interp(np.flatnonzero(empty), there, out[there])
    return np.asarray(out)


def _offsets(zone: tzinfo, stamps: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the clock is ahead of UTC at each ascending instant, all in microseconds."""
    out = np.full(len(stamps), _offset(zone, int(stamps[0])), dtype=np.int64)
    for at, by in _changes(zone, int(stamps[0]), int(stamps[-1])):
        out[np.searchsorted(stamps, at) :] += by
    return out


def _changes(zone: tzinfo, first_us: int, last_us: int) -> list[tuple[int, int]]:
    """Instants in (first, last] at which the clock is put on (positive) or back, and by how much; microseconds."""
    spans = range(first_us // _SPAN_US, last_us // _SPAN_US + 1)
    return [(at, by) for span in spans for at, by in _changes_in(zone, span) if first_us < at <= last_us]


@lru_cache(maxsize=4096)
def _changes_in(zone: tzinfo, span: int) -> tuple[tuple[int, int], ...]:
    found = []
    # No zone changes its clock twice within a week.
    weeks = range(span * _SPAN_US, (span + 1) * _SPAN_US + 1, 7 * DAY_US)
    for low, high in itertools.pairwise(weeks):
        before, after = _offset(zone, low), _offset(zone, high)
        if before == after:
            continue
        while high - low > 60_000_000:
            middle = (low + high) // 2 // 60_000_000 * 60_000_000
            low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
        found.append((high, after - before))
    return tuple(found)


def _offset(zone: tzinfo, instant_us: int) -> int:
    """Of the clock from UTC, in microseconds; 0 outside the calendar."""
    try:
        ahead = (_ORIGIN + timedelta(microseconds=instant_us)).astimezone(zone).utcoffset()
    except OverflowError:
        return 0
    return 0 if ahead is None else ahead // timedelta(microseconds=1)
