"""Paths keep every step's own quantiles, and hang together as errors did."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import forecast_series
from quartermaster.planner.samples import demand
from quartermaster.planner.together import drawn, highest_within, lead_of, over_lead, ranked

LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
NORMAL = np.array([-1.2816, 0.0, 1.2816, 1.6449, 2.3263])
STEPS = 48


def errors(keeps: float, origins: int = 28) -> NDArray[np.float64]:
    """Errors of which each keeps that share of the one before."""
    rng = np.random.default_rng(3)
    out = rng.standard_normal((1, origins, STEPS))
    for step in range(1, STEPS):
        out[:, :, step] = keeps * out[:, :, step - 1] + np.sqrt(1 - keeps**2) * out[:, :, step]
    return out


def fan() -> NDArray[np.float64]:
    return 100 + 10 * np.linspace(1, 3, STEPS)[:, None] * NORMAL


def correlation(rows: NDArray[np.float64], apart: int) -> float:
    """Mean correlation of steps so far apart."""
    pairs = [np.corrcoef(rows[:, i], rows[:, i + apart])[0, 1] for i in range(rows.shape[1] - apart)]
    return float(np.mean(pairs))


def test_every_step_keeps_its_quantiles() -> None:
    paths = drawn(fan(), LEVELS, ranked(errors(0.7), 24)[0])
    assert pytest.approx(fan(), abs=0.1) == np.quantile(paths, LEVELS, axis=0, method="hazen").T


@pytest.mark.parametrize("keeps", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("apart", [1, 4])
def test_steps_of_paths_hang_together_as_errors_did(keeps: float, apart: int) -> None:
    past = errors(keeps)
    paths = drawn(fan(), LEVELS, ranked(past, 24)[0])
    assert correlation(paths, apart) == pytest.approx(correlation(past[0], apart), abs=0.1)


def test_the_highest_of_hours_lies_above_each_of_them_and_the_more_so_the_less_they_hang_together() -> None:
    tight, loose = (over_lead(fan(), LEVELS, ranked(errors(keeps), 24)[0], 60, 180) for keeps in (0.95, 0.0))
    assert (tight[:-3] >= fan()[3:]).all()
    assert loose[:-3, 2].mean() > tight[:-3, 2].mean() > fan()[3:, 2].mean()
    # Four independent draws: at 0.9 of their highest each is under its 0.974.
    level = np.broadcast_to(100 + 10 * NORMAL, (STEPS, 5))
    found = over_lead(level, LEVELS, ranked(errors(0.0, 200), 24)[0], 60, 180)
    assert found[:-3, 2].mean() == pytest.approx(100 + 10 * 1.943, abs=0.4)


def test_a_group_of_steps_is_as_high_as_the_span_that_it_is() -> None:
    ranks = ranked(errors(0.6), 24)[0]
    first = np.array([0, 1, 4, 8, *range(9, STEPS)])
    found = highest_within(fan(), LEVELS, ranks, first)
    assert found[3:] == pytest.approx(fan()[8:], abs=0.1)
    assert found[2] == pytest.approx(over_lead(fan(), LEVELS, ranks, 60, 180)[4])


def test_the_lead_time_reaches_into_the_next_hours() -> None:
    quantile = np.array([[1.0], [5.0], [2.0], [9.0], [3.0]])

    def found(minutes: float) -> list[float]:
        return over_lead(quantile, (0.9,), None, 60, minutes)[:, 0].tolist()

    assert found(60) == found(61) == [5, 5, 9, 9, 3]
    assert found(0) == found(59) == [1, 5, 2, 9, 3]
    assert [lead_of(minutes, 60) for minutes in (0, 10, 60, 61)] == [(0, 0), (0, 10), (1, 0), (1, 1)]


def test_what_an_origin_has_not_seen_goes_on_as_at_an_earlier_one() -> None:
    past = errors(0.5, origins=6)
    past[:, 5, 24:] = np.nan
    ranks = ranked(past, 24)[0]
    assert (np.sort(ranks, axis=0) == np.arange(6)[:, None]).all()
    assert (np.abs(ranks[5, 24:].astype(int) - ranks[0, 24:]) == 1).all()


def test_a_forecast_brings_its_ranks_for_every_step() -> None:
    series = clean(demand(days=42)).series[0]
    made = forecast_series(series, 60, LEVELS, candidates())
    assert made.ranks is not None and made.choice is not None
    assert made.ranks.shape == (made.choice.origins, 60)
    assert (np.sort(made.ranks, axis=0) == np.arange(made.choice.origins)[:, None]).all()
