"""The assignment: the best there is, under both rules, and the same every time."""

from __future__ import annotations

import itertools
import random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.planner.assign import Wish, assign, total
from tests.planner.drill_rivals import best_of_rivals, holds


def wishes_of(rng: random.Random, count: int, days: int, hours: int, names: str = "abc") -> list[Wish]:
    """Wishes over the first hours of some days, each lasting one or two of them, one starting a day before midnight."""
    out = []
    for _ in range(count):
        when = sorted((day, hour) for day in range(days) for hour in range(hours) if rng.random() < 0.7)
        starts = np.array([day * 1440 + hour * 60 for day, hour in when], dtype=np.int64)
        out.append(
            Wish(
                np.array([round(rng.random(), 3) for _ in when]),
                np.array([day for day, _ in when], dtype=np.int64),
                starts,
                starts + rng.choice((60, 90, 120)),
                frozenset(rng.sample(names, 1)),
                frozenset(rng.sample(names, rng.choice((1, 2)))),
                rng.choice((1.0, 2.0)),
            )
        )
    return out


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_best_of_all_there_are(seed: int) -> None:
    wishes = wishes_of(random.Random(seed), random.Random(seed).randint(1, 4), 2, 3)
    choices: list[list[int | None]] = [[None, *range(len(wish.costs))] for wish in wishes]
    every = (list(picks) for picks in itertools.product(*choices))
    best = min(total(wishes, picks) for picks in every if holds(wishes, picks))
    found = assign(wishes)
    assert holds(wishes, found)
    assert total(wishes, found) == pytest.approx(best, abs=2e-6)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_it_holds_the_rules_is_no_worse_than_its_rivals_and_the_same_twice(seed: int) -> None:
    wishes = wishes_of(random.Random(seed), 14, 6, 5, "abcdef")
    found = assign(wishes)
    assert holds(wishes, found)
    assert total(wishes, found) <= best_of_rivals(wishes, tries=60, seed=seed) + 2e-6
    assert assign(wishes) == found


def test_of_more_than_fit_the_more_urgent_are_placed() -> None:
    day, at = np.zeros(1, dtype=np.int64), np.array([540], dtype=np.int64)
    domain = frozenset("a")
    calm = Wish(np.array([0.0]), day, at, at + 60, domain, domain)
    urgent = Wish(np.array([0.9]), day, at + 120, at + 180, domain, domain, 3.0)
    assert assign([calm, urgent]) == [None, 0]
    assert assign([calm, urgent], by_domain=False) == [0, 0]


def test_what_is_not_solved_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    late = SimpleNamespace(status=1, message="Time limit reached.")
    monkeypatch.setattr("scipy.optimize.milp", lambda *_, **__: late)
    day, at = np.zeros(1, dtype=np.int64), np.array([540], dtype=np.int64)
    wish = Wish(np.array([0.0]), day, at, at + 60, frozenset("a"), frozenset("a"))
    with pytest.raises(OpsError) as told:
        assign([wish, wish])
    assert render(told.value) == (
        "error: the schedule could not be worked out: Time limit reached.\n  remedy: fewer days, or fewer drills\n"
    )


def test_a_wish_without_options_is_left_out() -> None:
    none = np.empty(0, dtype=np.int64)
    assert assign([]) == []
    assert assign([Wish(np.empty(0), none, none, none, frozenset("a"), frozenset("a"))]) == [None]
