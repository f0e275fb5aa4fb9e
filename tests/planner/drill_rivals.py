"""Other ways to place drills, beside the exact one: the best hour for one after the other, and many tries at it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from quartermaster.planner.assign import Wish, total

Picks = list[int | None]


class Board:
    """What is placed so far. The rules by looking, not by equations."""

    def __init__(self, wishes: Sequence[Wish]) -> None:
        self._wishes = wishes
        self._days: set[tuple[str, int]] = set()
        self._taken: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self.picks: Picks = [None] * len(wishes)

    def place(self, w: int, option: int) -> bool:
        """Put the wish there; False where it is in another's way."""
        wish = self._wishes[w]
        day, start, end = int(wish.days[option]), int(wish.starts[option]), int(wish.ends[option])
        if any((domain, day) in self._days for domain in wish.domains):
            return False
        for share in wish.shares:
            for near in (day - 1, day, day + 1):
                if any(start < until and since < end for since, until in self._taken.get((share, near), ())):
                    return False
        self._days |= {(domain, day) for domain in wish.domains}
        for share in wish.shares:
            self._taken.setdefault((share, day), []).append((start, end))
        self.picks[w] = option
        return True


def holds(wishes: Sequence[Wish], picks: Picks) -> bool:
    """Whether nothing is in another's way."""
    board = Board(wishes)
    return all(board.place(w, pick) for w, pick in enumerate(picks) if pick is not None)


def best_of_rivals(wishes: Sequence[Wish], tries: int, seed: int = 1) -> float:
    """The least cost of greedy in three orders, and of so many tries: greedy in random orders, and random hours."""
    rng = random.Random(seed)
    everyone = range(len(wishes))
    cheapest = [[int(o) for o in wish.costs.argsort(kind="stable")] for wish in wishes]
    by_urgency = sorted(everyone, key=lambda w: (-wishes[w].urgency, len(wishes[w].costs)))
    by_choice = sorted(everyone, key=lambda w: len(wishes[w].costs))
    best = min(total(wishes, _placed(wishes, order, cheapest)) for order in (everyone, by_urgency, by_choice))
    for attempt in range(tries):
        options = cheapest if attempt % 2 else [rng.sample(some, len(some)) for some in cheapest]
        best = min(best, total(wishes, _placed(wishes, rng.sample(everyone, len(wishes)), options)))
    return best


def _placed(wishes: Sequence[Wish], order: Iterable[int], options: Sequence[Sequence[int]]) -> Picks:
    board = Board(wishes)
    for w in order:
        for option in options[w]:
            if board.place(w, option):
                break
    return board.picks
