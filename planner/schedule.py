"""Floors by time: the cheapest steps that cover a requirement with at most so many changes a day, exactly.

Dynamic programme over hours, levels and changes used in the day. In a cheapest schedule every step stands at the
highest requirement within it, so that only the values of the requirement need to be tried as levels. Costs are whole
numbers (instance intervals; ties by fewer changes), so the optimum is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_ACTIONS", "Floor", "cheapest", "cheapest_days", "floors"]

MOST_ACTIONS = 125
"""Scheduled actions per Auto Scaling group: docs.aws.amazon.com/general/latest/gr/as.html (quota, adjustable)."""

_LATE = 4
"""Changes that the last days of a plan keep, where AWS allows as many: for a night, two rises, and a fall."""
_NEVER = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, slots=True)
class Floor:
    """From then on at least that many instances."""

    starts_at: datetime
    instances: int

    def to_json(self) -> dict[str, Any]:
        return {"starts_at": self.starts_at.isoformat().replace("+00:00", "Z"), "instances": self.instances}

    def to_entry(self) -> dict[str, Any]:
        """As a one-off entry of ``clusters.NAME.schedule`` in fleet.yaml."""
        return {"at": self.starts_at.isoformat().replace("+00:00", "Z"), "min": self.instances}


def floors(
    times: Sequence[datetime],
    required: Sequence[int],
    changes_per_day: int,
    zone: tzinfo,
    early: timedelta = timedelta(0),
) -> tuple[tuple[Floor, ...], str]:
    """The cheapest schedule for a requirement at those instants, and a statement where AWS's limit lowered the changes.

    A day is one of people in ``zone``. The first floor counts as a change of its day. All others that rise do so
    ``early`` (less than an interval), so that hosts serve by the instant; they count as changes of that instant's day.
    """
    if not len(required):
        return (), ""
    days = [t.astimezone(zone).toordinal() for t in times]
    allowed, stated = _allowed(changes_per_day, max(days) - min(days) + 1)
    days = [min(d - days[0], len(allowed) - 1) for d in days]
    levels = cheapest(list(required), days, allowed)
    wanted = Counter([days[0], *(day for day, (a, b) in zip(days[1:], pairwise(required), strict=True) if a != b)])
    if not any(count > allowed[day] != changes_per_day for day, count in wanted.items()):
        # What AWS allows is all that the requirement changes.
        stated = ""
    out = [Floor(times[0], levels[0])]
    for at, level in zip(times, levels, strict=True):
        if level != (now := out[-1].instances):
            out.append(Floor(at - early if level > now else at, level))
    return tuple(out), stated


def _allowed(changes: int, days: int) -> tuple[list[int], str]:
    """Changes of each day, and a statement where AWS's limit lowers them; one budget where days outnumber actions."""
    limit = f"as AWS allows {MOST_ACTIONS} scheduled actions a group"
    even = MOST_ACTIONS // days
    if even < 1:
        return [MOST_ACTIONS], f"{MOST_ACTIONS} changes in all, {limit}"
    if changes <= even:
        return [changes] * days, ""
    # A plan is made anew before its last days come: they can do with a few, and the first ones get what was asked for.
    late = min(even, _LATE)
    full = (MOST_ACTIONS - late * days) // (changes - late)
    if not full:
        return [late] * days, f"{late} changes a day rather than {changes}, {limit}"
    stated = f"floors change up to {changes} times a day for {full} days and {late} after, {limit}: plan again by then"
    return [changes] * full + [late] * (days - full), stated


def cheapest(required: Sequence[int], days: Sequence[int], changes: Sequence[int]) -> list[int]:
    """The floor of each interval: at least what is required, least in sum, then with the fewest changes.

    ``days`` is the day of each interval (ascending); ``changes``, by day, is how many floors may start on it (1 or
    more), the first included.
    """
    need = np.asarray(required, dtype=np.int64)
    count = len(need)
    if min(changes) < 1:
        raise ValueError("a schedule needs one change to begin with")
    if min(changes) >= count:
        # Nothing is below the requirement itself, and there are changes enough to follow it.
        return [int(n) for n in need]
    levels = np.unique(need)
    price = count + 1  # one instance interval outweighs any number of changes
    used = min(max(changes), count)
    # cost[c, l]: cheapest so far at level l with c changes used in the present day.
    cost = np.full((used + 1, len(levels)), _NEVER, dtype=np.int64)
    came_from = np.zeros((count, used + 1, len(levels)), dtype=np.int32)
    carried = np.zeros((count, len(levels)), dtype=np.int32)
    own = np.arange(len(levels), dtype=np.int32)
    cost[1] = levels * price + 1
    cost[:, levels < need[0]] = _NEVER
    for t in range(1, count):
        carried[t] = -1
        if days[t] != days[t - 1]:
            carried[t] = cost.argmin(axis=0)
            fresh = np.full_like(cost, _NEVER)
            fresh[0] = cost.min(axis=0)
            cost = fresh
        following = cost.copy()
        came_from[t] = own
        cheapest_level = cost.argmin(axis=1)
        moved = cost[np.arange(used + 1), cheapest_level][:-1, None] + 1
        better = moved < following[1:]
        following[1:] = np.where(better, moved, following[1:])
        came_from[t, 1:] = np.where(better, cheapest_level[:-1, None], came_from[t, 1:])
        following = np.minimum(following + levels * price, _NEVER)
        following[changes[days[t]] + 1 :] = _NEVER
        following[:, levels < need[t]] = _NEVER
        cost = following
    return _walk_back(cost, came_from, carried, levels)


def cheapest_days(required: NDArray[np.int64], changes: int) -> NDArray[np.int64]:
    """What ``cheapest`` gives for each of many days by itself, (days, intervals), in a fraction of the time.

    Of schedules that are alike in sum and in changes it may choose another. By runs of equal floors: the cheapest for
    the first intervals in so many runs ends with a run at the highest that is required within it.
    """
    days, count = required.shape
    if changes >= count:
        return required.copy()
    first, last = np.arange(count)[:, None], np.arange(count)
    within = last >= first
    # run[d, i, j]: what a run from i to j costs.
    run = np.maximum.accumulate(np.where(within, required[:, None, :], 0), axis=2) * (last - first + 1)
    run = np.where(within, run, _NEVER)
    ended = [run[:, 0]]
    began = []
    for _ in range(changes - 1):
        before = np.concatenate([np.full((days, 1), _NEVER), ended[-1][:, :-1]], axis=1)
        ways = np.minimum(before[:, :, None] + run, _NEVER)
        began.append(ways.argmin(axis=1))
        ended.append(ways.min(axis=1))
    more = np.argmin([cost[:, -1] for cost in ended], axis=0)
    starts = np.zeros((days, count), dtype=bool)
    starts[:, 0] = True
    at = np.full(days, count - 1)
    for runs in range(changes - 1, 0, -1):
        (some,) = np.nonzero(more >= runs)
        begin = began[runs - 1][some, at[some]]
        starts[some, begin] = True
        at[some] = begin - 1
    (begins,) = np.nonzero(starts.ravel())
    lengths = np.diff(begins, append=required.size)
    return np.repeat(np.maximum.reduceat(required.ravel(), begins), lengths).reshape(days, count)


def _walk_back(
    cost: np.ndarray[Any, Any],
    came_from: np.ndarray[Any, Any],
    carried: np.ndarray[Any, Any],
    levels: np.ndarray[Any, Any],
) -> list[int]:
    used, level = (int(i) for i in np.unravel_index(int(cost.argmin()), cost.shape))
    out = [int(levels[level])]
    for t in range(len(came_from) - 1, 0, -1):
        before = int(came_from[t, used, level])
        used -= before != level
        level = before
        if carried[t, level] >= 0:
            used = int(carried[t, level])
        out.append(int(levels[level]))
    return out[::-1]
