"""The median of a few arrays is that of the library."""

from __future__ import annotations

import numpy as np
import pytest

from quartermaster.planner.cycles import Cycles, Shape
from quartermaster.planner.forecasters.phase_median import PhaseMedian
from quartermaster.planner.medians import middle


@pytest.mark.parametrize("count", range(1, 10))
def test_the_middle_is_the_median_to_the_bit(count: int) -> None:
    rng = np.random.default_rng(count)
    arrays = [np.round(rng.standard_normal((3, 4, 5)), 1) for _ in range(count)]
    before = [a.copy() for a in arrays]
    assert (middle(arrays) == np.median(arrays, axis=0)).all()
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))


@pytest.mark.parametrize(("season", "most", "cycles"), [("day", 7, 1), ("week", 3, 3)])
def test_an_early_origin_takes_the_seasons_that_stand_before_it(season: str, most: int, cycles: int) -> None:
    rng = np.random.default_rng(9)
    values = rng.standard_normal((2, 24, 4))
    past = Cycles(Shape(4, 7, 24, True), values, np.ones(values.shape, dtype=bool))
    length = 1 if season == "day" else 7
    paths = PhaseMedian(season, most, cycles=cycles, share=0.5).paths(past, 10, 2)  # type: ignore[arg-type]
    for i, origin in enumerate(range(14, 25)):
        spans = min(most, origin // length)
        days = values[0, origin - spans * length : origin].reshape(spans, length * 4)
        profile = np.median(days, axis=0)
        over = values[0, origin - cycles : origin].ravel() - profile[np.arange(-cycles * 4, 0) % (length * 4)]
        assert paths[0, i] == pytest.approx(profile[np.arange(8) % (length * 4)] + 0.5 * np.median(over))
