"""Other ways to place drills, beside the exact one: the best hour for one after the other, and many tries at it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from quartermaster.planner.assign import Wish, total

Picks = list[int | None]


def fits(wishes: Sequence[Wish], picks: Picks, at: int, option: int) -> bool:
    """Whether the option is in nobody's way. The rules as a slow loop."""
    mine = wishes[at]
    for w, pick in enumerate(picks):
        if pick is None or w == at:
            continue
        other = wishes[w]
        if mine.domains & other.domains and mine.days[option] == other.days[pick]:
            return False
        apart = mine.ends[option] <= other.starts[pick] or other.ends[pick] <= mine.starts[option]
        if mine.shares & other.shares and not apart:
            return False
    return True


def greedy(wishes: Sequence[Wish], order: Sequence[int]) -> Picks:
    """One after the other, each at its cheapest hour that is left."""
    picks: Picks = [None] * len(wishes)
    for w in order:
        for option in wishes[w].costs.argsort(kind="stable"):
            if fits(wishes, picks, w, int(option)):
                picks[w] = int(option)
                break
    return picks


def best_of_rivals(wishes: Sequence[Wish], tries: int, seed: int = 1) -> float:
    """The least cost of greedy in three orders, of greedy in random orders, and of hours drawn at random."""
    rng = random.Random(seed)
    everyone = range(len(wishes))
    by_urgency = sorted(everyone, key=lambda w: (-wishes[w].urgency, len(wishes[w].costs)))
    by_choice = sorted(everyone, key=lambda w: len(wishes[w].costs))
    found = [greedy(wishes, order) for order in (everyone, by_urgency, by_choice)]
    for attempt in range(tries):
        order = rng.sample(everyone, len(wishes))
        found.append(greedy(wishes, order) if attempt % 2 else _drawn(wishes, order, rng))
    return min(total(wishes, picks) for picks in found)


def _drawn(wishes: Sequence[Wish], order: Sequence[int], rng: random.Random) -> Picks:
    picks: Picks = [None] * len(wishes)
    for w in order:
        options = [i for i in range(len(wishes[w].costs)) if fits(wishes, picks, w, i)]
        picks[w] = rng.choice(options) if options else None
    return picks
