"""The exact assignment behind the drill schedule: one option for each wish at the least cost, none in another's way.

A mixed-integer program for HiGHS, made small without a loss: each wish takes its cheapest option first; only where some
are then in each other's way are those wishes and their conflicts solved for, and so on until nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet.errors import OpsError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = ["Wish", "assign", "left_out_costs", "total"]

Row = tuple[tuple[str, tuple[int, ...], int], "NDArray[np.int64]"]
"""Options of which one at most can be chosen, under the rule, the wishes and the weeks that they are about."""
_ROUNDING = 1e-6
_MONTH = 28
_SECONDS = 120.0
"""Longer than this nobody waits; five hundred drills over a year take a few."""


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """Something to place. Options are parallel arrays, in order of time."""

    costs: NDArray[np.float64]
    days: NDArray[np.int64]
    """The day each option falls on."""
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    """First minute and the one after the last."""
    domains: frozenset[str]
    """At most one wish of a domain has an option on one day."""
    shares: frozenset[str]
    """No two wishes that share anything have options at the same time."""
    urgency: float = 1.0
    """Where not all can be placed, those of the highest sum of urgency are."""


def left_out_costs(wishes: Sequence[Wish]) -> NDArray[np.float64]:
    """What it costs to place each wish nowhere: more than any choice of options among the others could save."""
    spread = sum(float(wish.costs.max() - min(0.0, wish.costs.min())) for wish in wishes if len(wish.costs))
    return np.array([(1.0 + spread) * wish.urgency for wish in wishes])


def total(wishes: Sequence[Wish], picks: Sequence[int | None]) -> float:
    """The cost of an assignment, what is left out included."""
    out = left_out_costs(wishes)
    return sum(float(out[w] if pick is None else wishes[w].costs[pick]) for w, pick in enumerate(picks))


def assign(wishes: Sequence[Wish], *, by_domain: bool = True, by_share: bool = True) -> list[int | None]:
    """For each wish the index of its option, or None where it cannot be placed. Exact, and the same every time.

    Without ``by_domain`` or ``by_share`` as if that rule did not hold. Raises OpsError where the solver gives up.
    """
    from scipy.sparse import csr_array

    sizes = [len(wish.costs) for wish in wishes]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if not sum(sizes):
        return [None] * len(wishes)
    owner = np.repeat(np.arange(len(wishes)), sizes)
    rows = [*(_days(wishes, owner) if by_domain else ()), *(_meetings(wishes, owner) if by_share else ())]
    lengths = [len(options) for _, options in rows]
    columns = np.concatenate([options for _, options in rows]) if rows else np.empty(0, dtype=np.int64)
    at = (np.repeat(np.arange(len(rows)), lengths), columns)
    conflicts = csr_array((np.ones(len(columns)), at), shape=(len(rows), len(owner)))
    labels = [label for label, _ in rows]
    picks = [int(wish.costs.argmin()) if len(wish.costs) else None for wish in wishes]
    bound = np.zeros(len(rows), dtype=bool)
    while True:
        taken = np.zeros(len(owner))
        taken[[first[w] + pick for w, pick in enumerate(picks) if pick is not None]] = 1
        broken = {labels[row] for row in np.flatnonzero(conflicts @ taken > 1)}
        if not broken:
            return picks
        # Most rows never bind: only those of groups and weeks in which some were in each other's way are solved for.
        # What comes of fewer rows and breaks none of the others is the best with all of them.
        bound |= np.array([label in broken for label in labels])
        under = conflicts[bound]
        for part in _parts(under, owner):
            mine = np.isin(owner, part)
            if (under[:, mine] @ taken[mine] > 1).any():
                for w, pick in _solved(wishes, part, under, first, picks):
                    picks[w] = pick


def _parts(conflicts: csr_array, owner: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Wishes that conflicts bind together, directly or through others, each set once."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = conflicts.nonzero()
    wishes = int(owner[-1]) + 1
    size = wishes + conflicts.shape[0]
    joined = coo_array((np.ones(len(rows)), (owner[columns], wishes + rows)), shape=(size, size))
    _, part = connected_components(joined, directed=False)
    for each in np.unique(part[wishes:]):
        yield np.flatnonzero(part[:wishes] == each)


def _solved(
    wishes: Sequence[Wish],
    part: NDArray[np.int64],
    conflicts: csr_array,
    first: NDArray[np.int64],
    picks: Sequence[int | None],
) -> list[tuple[int, int | None]]:
    """The best options of some of the wishes under the conflicts; ``picks``: those under fewer."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, hstack

    columns = _promising(wishes, part, conflicts, first, picks)
    within = conflicts[:, np.concatenate(columns)]
    within = within[np.flatnonzero(within.sum(axis=1))]
    begins = np.concatenate([[0], np.cumsum([len(own) for own in columns])])
    size = int(begins[-1]) + len(part)
    # Each wish has one option, or the variable after all options that says that it has none.
    of = np.append(np.repeat(np.arange(len(part)), np.diff(begins)), np.arange(len(part)))
    choice = csr_array((np.ones(size), (of, np.arange(size))))
    out = left_out_costs(wishes)[part]
    found = milp(
        np.concatenate([*(wishes[w].costs[own - first[w]] for w, own in zip(part, columns, strict=True)), out]),
        constraints=[
            LinearConstraint(choice, 1.0, 1.0),
            LinearConstraint(hstack([within, csr_array((within.shape[0], len(part)))]).tocsr(), -np.inf, 1.0),
        ],
        integrality=np.ones(size),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0, "time_limit": _SECONDS},
    )
    if found.status != 0:
        raise OpsError(f"the schedule could not be worked out: {found.message}", remedy="fewer days, or fewer drills")
    taken = [np.flatnonzero(found.x[begins[at] : begins[at + 1]] > 0.5) for at in range(len(part))]
    return [
        (int(w), int(own[mine[0]] - first[w]) if len(mine) else None)
        for w, own, mine in zip(part, columns, taken, strict=True)
    ]


def _promising(
    wishes: Sequence[Wish],
    part: NDArray[np.int64],
    conflicts: csr_array,
    first: NDArray[np.int64],
    picks: Sequence[int | None],
) -> list[NDArray[np.int64]]:
    """Options of each wish that the best choice can have in it: a good choice bounds how much any may cost.

    All wishes at their least cost but one at this option: where that costs more than to keep the picks that fit and
    give the others the least that is left, the option is in no best choice.
    """
    by_option, used = conflicts.tocsc(), np.zeros(conflicts.shape[0], dtype=bool)
    out, spent = left_out_costs(wishes), 0.0
    for w in part:
        pick, order = picks[w], np.argsort(wishes[w].costs, kind="stable")
        for option in order if pick is None else [pick, *order]:
            column = first[w] + option
            rows = by_option.indices[by_option.indptr[column] : by_option.indptr[column + 1]]
            if not used[rows].any():
                used[rows] = True
                spent += float(wishes[w].costs[option])
                break
        else:
            spent += float(out[w])
    slack = spent - sum(float(wishes[w].costs.min()) for w in part) + _ROUNDING
    return [first[w] + np.flatnonzero(wishes[w].costs <= wishes[w].costs.min() + slack) for w in part]


def _days(wishes: Sequence[Wish], owner: NDArray[np.int64]) -> Iterator[Row]:
    """Options of several wishes of one domain on one day."""
    days = np.concatenate([wish.days for wish in wishes])
    for members in _groups([wish.domains for wish in wishes]):
        mine = np.flatnonzero(np.isin(owner, members))
        for options in _competing(mine, days[mine], owner):
            yield ("domain", members, 0), options


def _meetings(wishes: Sequence[Wish], owner: NDArray[np.int64]) -> Iterator[Row]:
    """Options of several wishes that share something and cover one instant. Starts are instants enough."""
    days, starts, ends = (
        np.concatenate([getattr(wish, name) for wish in wishes]) for name in ("days", "starts", "ends")
    )
    for members in _groups([wish.shares for wish in wishes]):
        mine = np.flatnonzero(np.isin(owner, members))
        instants = np.unique(starts[mine])
        low = np.searchsorted(instants, starts[mine])
        covered = np.searchsorted(instants, ends[mine]) - low
        within = np.arange(covered.sum()) - np.repeat(np.cumsum(covered) - covered, covered)
        for options in _competing(np.repeat(mine, covered), np.repeat(low, covered) + within, owner):
            yield ("share", members, int(days[options[0]]) // _MONTH), options


def _groups(names: Sequence[frozenset[str]]) -> list[tuple[int, ...]]:
    """Wishes by what they have in common, each group of two or more once, in a fixed order."""
    by_name: Mapping[str, list[int]] = {name: [] for group in names for name in group}
    for w, group in enumerate(names):
        for name in group:
            by_name[name].append(w)
    return sorted({tuple(members) for members in by_name.values() if len(members) > 1})


def _competing(
    options: NDArray[np.int64], keys: NDArray[np.int64], owner: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Options of the same key, where they are of more than one wish."""
    order = np.argsort(keys, kind="stable")
    for group in np.split(options[order], np.flatnonzero(np.diff(keys[order])) + 1):
        if len(group) > 1 and (owner[group] != owner[group[0]]).any():
            yield group
