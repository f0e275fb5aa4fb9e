"""Bounds of quantiles from few drills: worked by hand, and held against drawn samples."""

from __future__ import annotations

import itertools
import random

import pytest

from quartermaster.runbooks.statistics import Bound, bound, confidence, drills_needed, statements


@pytest.mark.parametrize(("n", "sure"), [(1, 0.5), (3, 0.875), (4, 0.9375)])
def test_the_slowest_bounds_the_median(n: int, sure: float) -> None:
    assert confidence(n, n, 0.5) == sure


@pytest.mark.parametrize(("n", "place"), [(3, 2), (5, 4), (6, 6)])
def test_confidence_is_what_counting_all_cases_gives(n: int, place: int) -> None:
    """Each drill lies below the median or above it with equal chance: 2^n cases."""
    cases = list(itertools.product((0, 1), repeat=n))
    bounded = sum(sum(below) < place for below in cases)
    assert confidence(n, place, 0.5) == pytest.approx(bounded / len(cases))


def test_a_bound_holds_as_often_as_it_says() -> None:
    draw = random.Random(7)
    truth = 0.8  # of the uniform distribution
    held = [found.seconds >= truth for _ in range(4000) if (found := bound([draw.random() for _ in range(15)], 0.8))]
    assert len(held) == 4000
    assert sum(held) / len(held) == pytest.approx(confidence(15, 15, 0.8), abs=0.02)
    assert sum(held) / len(held) >= 0.9


def test_the_least_drill_that_suffices_bounds() -> None:
    seconds = [float(value) for value in range(10, 0, -1)]
    assert bound(seconds, 0.5) == Bound(0.5, 8.0, pytest.approx(0.9453, abs=1e-4), 8)
    assert bound(seconds[:3], 0.5) is None


def test_how_many_drills_a_quantile_takes() -> None:
    assert (drills_needed(0.5), drills_needed(0.95)) == (4, 45)
    for quantile in (0.5, 0.8, 0.95):
        n = drills_needed(quantile)
        assert bound([1.0] * n, quantile) is not None
        assert bound([1.0] * (n - 1), quantile) is None


def test_few_drills_claim_little_and_say_so() -> None:
    assert statements([70.0, 71.5, 69.0]) == (
        "With n=3, only 87.5% confident that the median recovery takes at most 71.5 s: 1 more drill for 90%.",
        "With n=3, only 14.3% confident that 95% of recoveries take at most 71.5 s: 42 more drills for 90%.",
    )
    assert statements([70.0, 71.5, 69.0, 70.5])[0] == (
        "With n=4, 93.8% confident that the median recovery takes at most 71.5 s."
    )
    assert statements([]) == ()
