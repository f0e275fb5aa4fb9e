"""The chance of an hour that demand exceeds what is left."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.planner.plan import ClusterPlan, plan
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import Settings
from quartermaster.planner.windows import capacity_left, exceedance

LEVELS = (0.1, 0.5, 0.9, 0.99)


@pytest.fixture(scope="module")
def web() -> ClusterPlan:
    settings = Settings(unit=20.0, horizon_days=3)
    return plan(demand(), default=settings, models=("day_median", "naive")).clusters["web"]


def test_between_levels_the_chance_is_read_off_and_beyond_it_falls() -> None:
    quantiles = [10.0, 20.0, 30.0, 40.0]
    assert exceedance(quantiles, LEVELS, 30) == pytest.approx(0.1)
    assert exceedance(quantiles, LEVELS, 25) == pytest.approx(0.3)
    assert exceedance(quantiles, LEVELS, 40) == pytest.approx(0.01)
    # One more decade of probability takes as much demand as the last one did.
    assert exceedance(quantiles, LEVELS, 50) == pytest.approx(0.001)
    assert 0.9 < exceedance(quantiles, LEVELS, 5) < 1
    assert exceedance(quantiles, LEVELS, 0) == 1


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=4, max_size=4).map(sorted), st.lists(st.floats(0, 2e6), min_size=2, max_size=9)
)
def test_more_capacity_is_never_more_risk(quantiles: list[float], capacities: list[float]) -> None:
    chances = [exceedance(quantiles, LEVELS, c) for c in sorted(capacities)]
    assert all(0 <= c <= 1 and math.isfinite(c) for c in chances)
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(chances))


def chances(plan: ClusterPlan, zones: int = 0, instances: int = 0) -> list[float]:
    left = capacity_left(plan, zones_lost=zones, instances_lost=instances)
    levels = plan.forecast.levels
    return [exceedance(list(q), levels, c) for q, c in zip(plan.forecast.quantiles, left, strict=True)]


def test_more_loss_is_more_risk(web: ClusterPlan) -> None:
    pairs = list(zip(chances(web, instances=1), chances(web, zones=1), strict=True))
    assert all(one <= zone for one, zone in pairs)
    assert any(one < zone for one, zone in pairs)


def test_a_plan_that_survives_a_zone_leaves_little_risk_without_one(web: ClusterPlan) -> None:
    assert max(chances(web, zones=1)) < 0.02


def test_nothing_is_left_of_nothing(web: ClusterPlan) -> None:
    assert min(capacity_left(web, instances_lost=10_000)) == 0
    assert min(chances(web, instances=10_000)) == 1
