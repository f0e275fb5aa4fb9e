"""The schedule of floors is exact: no feasible one is cheaper."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.planner.schedule import MOST_ACTIONS, cheapest, cheapest_days, floors

START = datetime(2026, 3, 2, tzinfo=UTC)


def changes(levels: list[int], days: list[int]) -> dict[int, int]:
    out: dict[int, int] = {}
    for i, level in enumerate(levels):
        if i == 0 or level != levels[i - 1]:
            out[days[i]] = out.get(days[i], 0) + 1
    return out


def feasible(levels: list[int], required: list[int], days: list[int], most: list[int]) -> bool:
    covered = all(a >= b for a, b in zip(levels, required, strict=True))
    return covered and all(n <= most[day] for day, n in changes(levels, days).items())


CASES = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 4), min_size=n, max_size=n),
        st.lists(st.integers(0, 2), min_size=n, max_size=n).map(sorted),
        st.one_of(st.integers(1, 3).map(lambda most: [most] * 3), st.lists(st.integers(1, 3), min_size=3, max_size=3)),
    )
)


@settings(deadline=None)
@given(CASES)
def test_no_schedule_at_all_is_cheaper(case: tuple[list[int], list[int], list[int]]) -> None:
    required, days, most = case
    found = cheapest(required, days, most)
    assert feasible(found, required, days, most)
    every = itertools.product(sorted(set(required)), repeat=len(required))
    best = min((sum(s), sum(changes(list(s), days).values())) for s in every if feasible(list(s), required, days, most))
    assert (sum(found), sum(changes(found, days).values())) == best


@pytest.mark.parametrize("most", [1, 2, 4, 8])
def test_a_thousand_random_feasible_schedules_are_not_cheaper(most: int) -> None:
    rng = random.Random(most)
    required = [rng.randint(3, 40) for _ in range(14 * 24)]
    days = [i // 24 for i in range(len(required))]
    found = cheapest(required, days, [most] * 14)
    assert feasible(found, required, days, [most] * 14)
    for _ in range(1000):
        other: list[int] = []
        for day in range(14):
            hours = required[24 * day : 24 * day + 24]
            cuts = [0, *sorted(rng.sample(range(1, 24), most - 1)), 24]
            for a, b in itertools.pairwise(cuts):
                other += [max(hours[a:b])] * (b - a)
        assert sum(found) <= sum(other)


@pytest.mark.parametrize("most", [1, 2, 3, 6, 23, 24, 40])
@pytest.mark.parametrize("highest", [0, 2, 40, 2_000_000])
def test_many_days_at_once_are_as_cheap_as_each_by_itself(most: int, highest: int) -> None:
    required = np.random.default_rng(most + highest).integers(0, highest, (5, 24), endpoint=True)
    for hours, found in zip(required.tolist(), cheapest_days(required, most).tolist(), strict=True):
        alone = cheapest(hours, [0] * 24, [most])
        assert feasible(found, hours, [0] * 24, [most])
        assert (sum(found), changes(found, [0] * 24)) == (sum(alone), changes(alone, [0] * 24))


def test_floors_are_told_where_they_start_and_days_are_those_of_people() -> None:
    times = [START + timedelta(hours=i) for i in range(48)]
    required = [3] * 23 + [5] * 25
    found, stated = floors(times, required, 1, ZoneInfo("Europe/Dublin"))
    assert [(f.starts_at, f.instances) for f in found] == [(START, 5)]
    # Twelve hours east of Greenwich the change falls on the next day.
    east, _ = floors(times, required, 1, ZoneInfo("Pacific/Auckland"))
    assert [(f.starts_at.hour, f.instances) for f in east] == [(0, 3), (23, 5)]
    assert stated == ""
    assert found[0].to_entry() == {"at": "2026-03-02T00:00:00Z", "min": 5}


@pytest.mark.parametrize("days", [14, 60, 200])
def test_aws_takes_no_more_than_its_limit_of_actions(days: int) -> None:
    times = [START + timedelta(hours=i) for i in range(24 * days)]
    found, stated = floors(times, [i % 24 for i in range(len(times))], 24, UTC)
    assert len(found) <= MOST_ACTIONS
    assert "125" in stated


def test_the_first_days_keep_the_changes_that_aws_has_no_actions_for_on_all() -> None:
    times = [START + timedelta(hours=i) for i in range(24 * 15)]
    found, stated = floors(times, [i % 24 for i in range(len(times))], 12, UTC)
    a_day = [sum(f.starts_at.day == (START + timedelta(days=d)).day for f in found) for d in range(15)]
    assert a_day == [12] * 8 + [4] * 7 and len(found) <= MOST_ACTIONS
    assert stated.startswith("floors change up to 12 times a day for 8 days and 4 after")
    assert floors(times, [i % 24 for i in range(len(times))], 8, UTC)[1] == ""
    # Who wants no more is not told of the limit.
    assert floors(times, [3 + (i % 24 > 8) for i in range(len(times))], 12, UTC)[1] == ""
    assert floors(times * 10, [3] * len(times) * 10, 12, UTC)[1] == ""


@pytest.mark.parametrize(("days", "each"), [(30, 4), (60, 2), (120, 1)])
def test_where_no_day_can_keep_them_all_days_get_the_same(days: int, each: int) -> None:
    times = [START + timedelta(hours=i) for i in range(24 * days)]
    _, stated = floors(times, [i % 24 for i in range(len(times))], 12, UTC)
    assert stated == f"{each} changes a day rather than 12, as AWS allows 125 scheduled actions a group"
