"""Why a run of a drill has no hour: the rules but for which it would have one, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quartermaster.planner.assign import Wish, assign
from quartermaster.planner.drill_candidates import Candidates
from quartermaster.planner.drill_rules import RULES, Rules, fewest

__all__ = ["in_the_way"]

_DOMAIN = "one drill per failure domain and day"
_SHARE = "never two drills at once on what they share"
_TAKEN = {
    _DOMAIN: f"{_DOMAIN}: others that are as urgent or more take every allowed day",
    _SHARE: f"{_SHARE}: others that are as urgent or more take every allowed hour",
}


def in_the_way(
    one: Candidates, at: int, wishes: Sequence[Wish], rules: Rules
) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """For a run that has no hour, wish number ``at``: the rules in words, and every smallest set of them by name.

    Each set is one whose removal gives it an hour; sets of several rules stand only where no single one does.
    """
    sets = _taken_by_others(one, at, wishes) if len(one.open()) else fewest(one.mask)
    told = [" and ".join(_TAKEN.get(rule) or rules.told(one.need, rule) for rule in group) for group in sets]
    return "; or ".join(told), tuple(sets)


def _taken_by_others(one: Candidates, at: int, wishes: Sequence[Wish]) -> list[tuple[str, ...]]:
    """It has hours, and other drills take them: each rule but for which all would be placed that now are, and it."""
    near = _rivals(at, wishes)
    mine, around = near.index(at), [wishes[w] for w in near]
    placed = _placed(assign(around))

    def gives_it_an_hour(picks: Sequence[int | None]) -> bool:
        return picks[mine] is not None and _placed(picks) > placed

    sets: list[tuple[str, ...]] = [
        (name,)
        for name, keep in ((_DOMAIN, {"by_domain": False}), (_SHARE, {"by_share": False}))
        if gives_it_an_hour(assign(around, **keep))
    ]
    for bit, name in enumerate(RULES):
        freed = one.wish(without=1 << bit)
        if len(freed.costs) > len(wishes[at].costs):
            around[mine] = freed
            sets += [(name,)] if gives_it_an_hour(assign(around)) else []
            around[mine] = wishes[at]
    return sets or [(_DOMAIN, _SHARE)]


def _rivals(at: int, wishes: Sequence[Wish]) -> list[int]:
    """The wish and all that its choice can move, directly or through others."""
    near, border = {at}, {at}
    while border:
        border = {
            w
            for w, wish in enumerate(wishes)
            if w not in near and any(_compete(wish, wishes[other]) for other in border)
        }
        near |= border
    return sorted(near)


def _compete(one: Wish, other: Wish) -> bool:
    if not (one.domains & other.domains or one.shares & other.shares) or not (len(one.days) and len(other.days)):
        return False
    return bool(one.days[0] <= other.days[-1] + 1 and other.days[0] <= one.days[-1] + 1)


def _placed(picks: Iterable[int | None]) -> int:
    return sum(pick is not None for pick in picks)
