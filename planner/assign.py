"""The exact assignment behind the drill schedule: one option for each wish, least cost, days shared by no domain."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Wish", "assign"]

_LATE = 10.0
"""Cost of a day of lateness; far above any risk, which is at most 1."""
_LEFT_OUT = 10_000.0
"""Cost of no day at all; far above any lateness within a year."""
_ALL = "*"


@dataclass(frozen=True, slots=True)
class Wish:
    """Something to place."""

    costs: Sequence[float]
    """Of each option."""
    days: Sequence[int]
    """The day each option falls on."""
    domains: tuple[str, ...]
    """What it holds for its day; ``*`` excludes every other."""
    due_day: int
    series: Hashable = None
    """Wishes of one series stand in order, on different days."""


def assign(wishes: Sequence[Wish]) -> list[int | None]:
    """For each wish the index of its option, or None where it cannot be placed. Exact; ties by the earliest option."""
    if not wishes:
        return []
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_matrix

    # Only the best option of a day can be chosen: a variable a day, not an option.
    cells: list[tuple[int, int, int]] = []
    costs: list[float] = []
    for w, wish in enumerate(wishes):
        for day in sorted(set(wish.days)):
            best = min((i for i, d in enumerate(wish.days) if d == day), key=lambda i: (wish.costs[i], i))
            cells.append((w, day, best))
            late = max(0, day - wish.due_day)
            costs.append(wish.costs[best] + _LATE * late + 1e-7 * day)
    out = len(cells)
    rows: list[tuple[list[int], list[float], float, float]] = []
    for w in range(len(wishes)):
        mine = [i for i, c in enumerate(cells) if c[0] == w]
        rows.append(([*mine, out + w], [1.0] * (len(mine) + 1), 1.0, 1.0))
    rows += _shared_days(wishes, cells)
    rows += _in_order(wishes, cells, out)
    index = [(r, v, x) for r, (variables, factors, _, _) in enumerate(rows)
             for v, x in zip(variables, factors, strict=True)]  # fmt: skip
    matrix = coo_matrix(
        ([x for _, _, x in index], ([r for r, _, _ in index], [v for _, v, _ in index])),
        shape=(len(rows), out + len(wishes)),
    )
    result = milp(
        np.array([*costs, *[_LEFT_OUT] * len(wishes)]),
        constraints=LinearConstraint(matrix.tocsr(), [r[2] for r in rows], [r[3] for r in rows]),
        integrality=np.ones(out + len(wishes)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    picks: list[int | None] = [None] * len(wishes)
    if result.x is not None:
        for i, (w, _, option) in enumerate(cells):
            if result.x[i] > 0.5:
                picks[w] = option
    return picks


def _shared_days(
    wishes: Sequence[Wish], cells: Sequence[tuple[int, int, int]]
) -> list[tuple[list[int], list[float], float, float]]:
    """At most one wish a domain and day; one that holds everything stands alone on its day."""
    rows = []
    domains = {d for w in wishes for d in w.domains if d != _ALL} or {_ALL}
    for day in sorted({c[1] for c in cells}):
        for domain in sorted(domains):
            held = [
                i
                for i, (w, d, _) in enumerate(cells)
                if d == day and (domain in wishes[w].domains or _ALL in wishes[w].domains)
            ]
            if len(held) > 1:
                rows.append((held, [1.0] * len(held), 0.0, 1.0))
    return rows


def _in_order(
    wishes: Sequence[Wish], cells: Sequence[tuple[int, int, int]], out: int
) -> list[tuple[list[int], list[float], float, float]]:
    """Of one series each run at least half its cadence after the one before (unless one of them is left out)."""
    rows = []
    for later in range(len(wishes)):
        same = [w for w in range(later) if wishes[w].series is not None and wishes[w].series == wishes[later].series]
        if not same:
            continue
        before = same[-1]
        apart = max(1, (wishes[later].due_day - wishes[before].due_day) // 2)
        variables, factors = [], []
        for i, (w, day, _) in enumerate(cells):
            if w in (before, later):
                variables.append(i)
                factors.append(float(day if w == later else -day))
        far = float(apart + max(c[1] for c in cells) + 1)
        rows.append(([*variables, out + before, out + later], [*factors, far, far], float(apart), np.inf))
    return rows
