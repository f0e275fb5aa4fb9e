"""Spans and ages as people say them."""

from __future__ import annotations

import pytest

from quartermaster.fleet.durations import age, duration, measured


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (120, "2 min"), (90, "1 min 30 s"), (3900, "1 h 5 min"), (3930, "1 h 5 min"),
     (86_400, "1 day"), (2 * 86_400 + 3 * 3600 + 59, "2 days 3 h")],
)  # fmt: skip
def test_spans_are_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (45.4, "45 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (100_000, "28 h"),
     (9.9 * 86_400, "10 days")],
)  # fmt: skip
def test_ages_are_told_in_the_largest_unit_of_which_there_are_two(seconds: float, words: str) -> None:
    assert age(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "not measured"), (0.26, "0.3 s"), (59.94, "59.9 s"), (312.4, "5 min 12 s")]
)
def test_what_was_measured_is_told_by_the_tenth_of_a_second_below_a_minute(seconds: float | None, words: str) -> None:
    assert measured(seconds) == words
