"""The newsvendor's number on demand of a known distribution, and what more demand and longer commitments do to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from quartermaster.planner.capacity import Rules
from quartermaster.planner.purchase import TERMS, Commitment, Purchase, _term, advise
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

ONE_EACH = Rules(1.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6)
END = int(datetime(2026, 3, 1, 23, tzinfo=UTC).timestamp()) * 1_000_000


def cost(needed: np.ndarray, bought: int, share: float) -> float:
    """Of one hour, in on-demand hours: what is bought is paid, what is needed beyond it costs the full price."""
    return bought * share + float(np.maximum(needed - bought, 0).mean())


@pytest.mark.parametrize("share", [0.05, 0.3, 0.51, 0.73, 0.95])
@pytest.mark.parametrize("mean", [0.4, 3.0, 40.0])
def test_poisson_demand_gets_its_quantile(mean: float, share: float) -> None:
    # The k-th is worth buying while it is needed in at least that share of hours: P(N >= k) >= share.
    needed = np.random.default_rng(1).poisson(mean, 200_000).reshape(100, -1)
    best = int(np.flatnonzero(poisson.sf(np.arange(200) - 1, mean) >= share)[-1])
    found = _term(1, share, needed, 0, None).instances
    assert found == best or abs(poisson.sf(max(found, best) - 1, mean) - share) < 0.005


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_no_other_number_is_cheaper(hours: list[int], share: float) -> None:
    needed = np.array(hours)[None]
    best = _term(1, share, needed, 0, None).instances
    costs = [cost(needed, count, share) for count in range(32)]
    assert costs[best] == pytest.approx(min(costs), abs=1e-9)


def normal(days: int = 800, spread: float = 0.1, scale: float = 100.0) -> Series:
    """Every day the same level throughout, days normal around the mean: no week, no year, no growth."""
    size = scale * (1 + spread * np.random.default_rng(4).standard_normal(days))
    return Series("web", "x/s", END, HOUR_US, np.repeat(np.maximum(size, 0.0), 24), 0.0)


def advice(series: Series, *commitments: Commitment, rules: Rules = ONE_EACH) -> dict[int, Purchase]:
    found = advise(series, rules, "m6i.large", "eu-west-1", commitments)
    assert not isinstance(found, str), found
    return {p.years: p for p in found}


def test_normal_demand_gets_its_quantile_through_the_paths() -> None:
    for years, found in advice(normal()).items():
        exact = 100 + 10 * NormalDist().inv_cdf(1 - TERMS[years])
        assert found.instances == pytest.approx(exact, abs=4)
        assert found.used is not None and found.used == pytest.approx(TERMS[years], abs=0.03)


@pytest.mark.slow
def test_commitments_are_netted_out_one_for_one_while_they_last() -> None:
    open_ = advice(normal())
    held = advice(normal(), Commitment(30), Commitment(500, date(2026, 3, 1)))
    assert all(open_[y].instances - held[y].instances == 30 for y in TERMS)
    assert held[1].committed == 30  # the other one has ended with the history
    covered = advice(normal(), Commitment(500))
    assert [covered[y].instances for y in TERMS] == [0, 0] and "first further instance" in covered[1].reason


@pytest.mark.slow
def test_more_demand_never_means_fewer_to_buy() -> None:
    before = {1: 0, 3: 0}
    for scale in (20.0, 50.0, 51.0, 80.0, 200.0):
        found = {years: p.instances for years, p in advice(normal(400, scale=scale)).items()}
        assert all(found[years] >= before[years] for years in TERMS)
        before = found


@pytest.mark.slow
@settings(deadline=None, max_examples=5)
@given(st.floats(1.0, 5.0))
def test_an_unlike_interval_of_the_same_demand_gets_the_same_advice(scale: float) -> None:
    hours = normal(210, scale=100 * scale)
    daily = replace(hours, interval_us=DAY_US, values=hours.values[::24], last_us=END - 23 * HOUR_US)
    ours, other = advice(hours), advice(daily)
    assert all(ours[y].instances == pytest.approx(other[y].instances, rel=0.03) for y in TERMS)
