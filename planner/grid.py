"""From rows with instants to a complete grid: order, duplicates, the interval, gaps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner import months
from quartermaster.planner.seasons import HOUR_US, MONTH_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_STEPS", "Report", "grid", "infer_interval", "iso"]

MAX_STEPS = 120_000
"""History used at most: 13 years of hours, 83 days of minutes. It bounds memory against one stray old instant."""

_MINUTE = HOUR_US // 60
_NICE = [
    *(n * 1_000_000 for n in (1, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * HOUR_US for n in (1, 2, 3, 4, 6, 8, 12, 24, 168)),
]

Report = Callable[[str, str, int, str, str], None]
"""Takes kind, where, rows, detail, remedy."""


def iso(instant_us: int) -> str:
    """The instant in ISO 8601, UTC; out of the calendar's range as microseconds."""
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(instant_us))
    except OverflowError:
        return f"{instant_us} us"
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def infer_interval(sorted_us: NDArray[np.int64]) -> int | None:
    """The interval of distinct, sorted instants in microseconds, or None for fewer than two.

    That of months where each has one; else the commonest difference where it is common; for instants that jitter, the
    plain interval nearest to the median.
    """
    if len(sorted_us) < 2:
        return None
    if months.one_each(sorted_us):
        return MONTH_US
    steps = np.diff(sorted_us)
    sizes, counts = np.unique(steps, return_counts=True)
    commonest = int(sizes[counts.argmax()])
    median = float(np.median(steps))
    nice = min(_NICE, key=lambda n: abs(np.log(n / median)))
    if counts.max() >= 0.3 * len(steps):
        # A clock that drifts and is set back shows 3601 s most of the time and 3600 s on average.
        mean = float(steps[steps < 1.5 * nice].mean()) if (steps < 1.5 * nice).any() else float(commonest)
        drifts = abs(commonest - nice) < 0.02 * nice and abs(mean - nice) < abs(mean - commonest)
        return nice if drifts else commonest
    if abs(np.log(nice / median)) < 0.2:
        return nice
    return max(1_000_000, round(median / 1e6) * 1_000_000)


def grid(times: NDArray[np.int64], values: NDArray[np.float64], report: Report) -> tuple[NDArray[np.float64], int]:
    """Values on a complete grid that ends with the latest row, and the interval in microseconds.

    Rows need no order. Every row is used or told of through ``report``.
    """
    times, values = _in_order(times, values, report)
    times, values = _once(times, values, report)
    interval = infer_interval(times)
    if interval is None:
        interval = HOUR_US
        report(
            "interval_unknown",
            iso(times[0]),
            1,
            "one instant gives no interval: one hour is assumed",
            "import more history",
        )
    steps, values = _snapped(times, values, interval, report)
    old = steps <= -MAX_STEPS
    if old.any():
        rows = int(np.isfinite(values[old]).sum())
        report(
            "too_old",
            f"{iso(times[0])}/{iso(int(months.instants(int(times[-1]), interval, steps[old][-1:])[0]))}",
            rows,
            f"older than {MAX_STEPS} intervals: not used",
            "check the instants: a stray date makes a long gap",
        )
        steps, values = steps[~old], values[~old]
    complete = np.full(1 - int(steps[0]), np.nan)
    complete[steps - steps[0]] = values
    _tell_gaps(steps, int(times[-1]), interval, report)
    return complete, interval


def _in_order(
    times: NDArray[np.int64], values: NDArray[np.float64], report: Report
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    late = np.flatnonzero(np.diff(times) < 0)
    if not len(late):
        return times, values
    report(
        "out_of_order",
        iso(times[late[0] + 1]),
        len(late),
        "rows stand before earlier ones: sorted by time",
        "export rows in order of time",
    )
    order = np.argsort(times, kind="stable")
    return times[order], values[order]


def _once(
    times: NDArray[np.int64], values: NDArray[np.float64], report: Report
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    again = np.flatnonzero(np.diff(times) == 0) + 1
    if not len(again):
        return times, values
    # The last reading of an instant wins; a null never wins over a reading.
    ranked = np.lexsort((np.arange(len(times)), np.isfinite(values), times))
    last = np.append(np.diff(times) != 0, True)
    same = np.isclose(values[again], values[again - 1], rtol=1e-12, atol=0, equal_nan=True)
    differ = int((~same).sum())
    report(
        "duplicate",
        iso(times[again[0]]),
        len(again),
        f"an instant given more than once, {differ} times with another value: the last reading is used",
        "export each instant once",
    )
    return times[last], values[ranked][last]


def _snapped(
    times: NDArray[np.int64], values: NDArray[np.float64], interval: int, report: Report
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Step numbers (0 = the last row) and one value for each."""
    if interval == MONTH_US:
        month = months.number(times)
        return month - month[-1], values
    phases, counts = np.unique(times % interval, return_counts=True)
    phase = int(phases[counts.argmax()])
    if counts.max() < 0.5 * len(times):
        # Instants that jitter around the whole interval belong on it, not on the commonest second beside it.
        beside = np.minimum(phases, interval - phases)
        phase = 0 if beside.max() < interval / 4 else phase
    steps = np.floor_divide(times - phase + interval // 2, interval)
    off = np.abs(times - (steps * interval + phase))
    steps = steps - steps[-1]
    if off.any():
        first = int(np.flatnonzero(off)[0])
        report(
            "irregular",
            iso(times[first]),
            int((off > 0).sum()),
            f"off the grid of {interval / 1e6:g} s by up to {off.max() / 1e6:g} s: moved to the nearest step",
            "align readings to the interval at the source",
        )
    shared = np.flatnonzero(np.diff(steps) == 0) + 1
    if not len(shared):
        return steps, values
    report(
        "crowded",
        iso(times[shared[0]]),
        len(shared),
        "several readings in one interval: averaged",
        "aggregate to one reading an interval",
    )
    distinct, where = np.unique(steps, return_inverse=True)
    has = np.isfinite(values)
    # Divide before the sum: readings near the largest float must not overflow.
    number = np.bincount(where, weights=has.astype(float), minlength=len(distinct))
    share = np.where(has, values, 0.0) / np.maximum(number, 1.0)[where]
    mean = np.bincount(where, weights=share, minlength=len(distinct))
    return distinct, np.where(number > 0, mean, np.nan)


def _tell_gaps(steps: NDArray[np.int64], last_us: int, interval: int, report: Report) -> None:
    jumps = np.diff(steps)
    holes = np.flatnonzero(jumps > 1)
    if not len(holes):
        return
    missing = int((jumps[holes] - 1).sum())
    start = int(months.instants(last_us, interval, steps[holes[:1]] + 1)[0])
    longest = int(jumps.max()) - 1
    intervals = f"{longest} interval{'s' * (longest > 1)}"
    what = f"a gap of {intervals}" if len(holes) == 1 else f"{len(holes)} gaps, the longest of {intervals}"
    detail = f"{what}: no reading there"
    report("gap", iso(start), missing, detail, "write a row with an empty value where nothing was measured")
