"""Instances for a demand, against counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.fleet.errors import InputError
from quartermaster.planner.capacity import (
    Rules,
    carried,
    instances,
    left_after,
    requirement,
    smallest_leaving,
    tracking_count,
)


def placed(count: int, zones: int) -> list[int]:
    """Instances one by one, each into the zone that holds fewest: what the group does."""
    held = [0] * zones
    for _ in range(count):
        held[held.index(min(held))] += 1
    return held


def left_by_hand(count: int, zones: int, lost: int) -> int:
    """What stays in the worst case over every choice of zones."""
    held = placed(count, zones)
    return min(
        sum(h for z, h in enumerate(held) if z not in gone) for gone in itertools.combinations(range(zones), lost)
    )


def test_four_zones_two_lost_three_needed_takes_seven_not_six() -> None:
    assert smallest_leaving(np.array([3]), zones=4, lost=2).tolist() == [7]
    assert left_by_hand(6, 4, 2) == 2
    assert left_by_hand(7, 4, 2) == 3


@pytest.mark.parametrize(("zones", "lost"), [(z, k) for z in range(1, 7) for k in range(z)])
def test_the_closed_form_is_what_counting_gives(zones: int, lost: int) -> None:
    for count in range(40):
        assert left_after(count, zones, lost) == left_by_hand(count, zones, lost)
    by_hand = [next(n for n in itertools.count() if left_by_hand(n, zones, lost) >= wanted) for wanted in range(20)]
    assert smallest_leaving(np.arange(20), zones, lost).tolist() == by_hand


def by_hand(demand: float, rules: Rules) -> int:
    for count in itertools.count():
        after = left_by_hand(count, rules.zones, rules.lost)
        busy_after = rules.unit * rules.at_utilisation / rules.target_utilisation
        if count * rules.unit >= demand - 1e-6 and after * busy_after >= demand - 1e-6:
            return count
    raise AssertionError


@settings(deadline=None)
@given(
    st.integers(0, 14_000).map(lambda n: n / 7),
    st.integers(1, 5).flatmap(lambda z: st.tuples(st.just(z), st.integers(0, z - 1))),
    st.sampled_from([0.5, 0.6, 0.8]),
)
def test_the_group_is_the_smallest_that_carries_and_survives(
    demand: float, zones: tuple[int, int], target: float
) -> None:
    rules = Rules(37.5, zones[0], zones[1], target, 0.85)
    count = instances(demand, rules)
    assert count == by_hand(demand, rules)
    assert carried(count, rules) >= demand * (1 - 1e-9)
    assert count == 0 or carried(count - 1, rules) < demand * (1 + 1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=20), st.integers(2, 4))
def test_more_demand_never_means_fewer_instances(demands: list[float], zones: int) -> None:
    counts = requirement(sorted(demands), Rules(3.3, zones, zones - 1))
    assert (np.diff(counts) >= 0).all()


def test_whole_numbers_are_not_rounded_up() -> None:
    rules = Rules(0.1, zones=3, lost=0)
    assert instances(0.3, rules) == 3
    assert instances(0.7, rules) == 7


@pytest.mark.parametrize(
    "bad",
    [
        {"unit": 0},
        {"unit": float("nan")},
        {"zones": 3, "lost": 3},
        {"target_utilisation": 0},
        {"smallest": 5, "largest": 4},
    ],
)
def test_impossible_rules_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Rules(**{"unit": 10, **bad})  # type: ignore[arg-type]


@given(
    st.tuples(st.integers(2, 6), st.integers(0, 5)).filter(lambda z: z[1] < z[0]),
    st.integers(0, 12),
    st.floats(0.3, 0.9),
    st.booleans(),
    st.floats(0.0, 2_000.0),
)
@settings(max_examples=60, deadline=None)
def test_what_tracking_keeps_survives_at_any_size(
    zones: tuple[int, int], smallest: int, target: float, cross_zone: bool, demand: float
) -> None:
    rules = Rules(7.0, *zones, target, 0.85, smallest, cross_zone=cross_zone)
    kept = max(int(tracking_count([demand], rules)[0]), rules.least)
    assert instances(demand, rules) <= kept


def test_tracking_knows_how_busy_hosts_are_and_nothing_of_zones() -> None:
    # Ten hosts in three zones keep six, which do 8.5 units at 85 %; with eleven, seven stay and do 9.9.
    rules = Rules(1.0, smallest=10)
    assert instances(8.6, rules) == 11
    # Of sizes from ten on, ten is the worst: 0.85 * 6 / 10.
    assert rules.tracking_utilisation == pytest.approx(0.51)
    assert list(tracking_count([8.5, 8.6], rules)) == [10, 11]
    assert list(tracking_count([8.0, 8.6], Rules(1.0, 3, 0, 0.6, smallest=10))) == [8, 9]
