"""Least regret over instance types, with reasons for refusals and the error of the estimate."""

from __future__ import annotations

import numpy as np
import pytest

from quartermaster.fleet.prices import load_prices
from quartermaster.planner.capacity import Rules
from quartermaster.planner.sizing import Choice, choose, scaled_unit, worlds
from quartermaster.planner.unit import UnitCapacity

UNIT = UnitCapacity(20.0, 16.0, 24.0, "learned", "")
DEMAND = 100 + 50 * np.sin(np.arange(48) * np.pi / 12)


def chosen(count: int = 1024, types: tuple[str, ...] = (), demand: np.ndarray = DEMAND, lost: int = 1) -> Choice:
    scale, unit = worlds("web", np.linspace(0.8, 1.6, 50), UNIT, count)
    return choose(demand, Rules(20.0, lost=lost), "m6i.large", "eu-west-1", scale, unit, types)


def test_a_small_fleet_gains_nothing_from_large_instances() -> None:
    found = chosen(types=("m6i.large", "m6i.4xlarge", "m6i.xlarge"))
    assert [c.instance for c in found.candidates] == ["m6i.large", "m6i.xlarge"]
    assert found.candidates[0].regret_per_month < found.candidates[1].regret_per_month
    assert [c.instances_least for c in found.candidates] == [3, 3], "one in each zone at the least"
    assert {r.instance: r.reason for r in found.refused} == {
        "m6i.4xlarge": "2 of them carry the peak: fewer than the 3 zones"
    }


def test_one_host_will_do_where_no_zone_is_to_be_survived() -> None:
    found = chosen(types=("m6i.large", "m6i.xlarge"), demand=DEMAND / 10, lost=0)
    assert [(c.instance, c.instances_most) for c in found.candidates] == [("m6i.large", 1), ("m6i.xlarge", 1)]


def test_a_large_fleet_pays_by_the_vcpu_whatever_the_size() -> None:
    found = chosen(types=("m6i.large", "m6i.4xlarge"), demand=1000 * DEMAND)
    costs = [c.cost_per_month for c in found.candidates]
    assert max(costs) < 1.01 * min(costs)
    assert found.candidates[0].instances_most == pytest.approx(8 * found.candidates[1].instances_most, rel=0.02) or (
        found.candidates[1].instances_most == pytest.approx(8 * found.candidates[0].instances_most, rel=0.02)
    )


def test_every_type_of_the_table_is_judged_or_refused_with_a_reason() -> None:
    found = chosen()
    names = [c.instance for c in found.candidates] + [r.instance for r in found.refused]
    assert sorted(names) == sorted(load_prices().instance_types())
    reasons = " ".join(r.reason for r in found.refused)
    for word in ("arm64", "burstable", "GiB a vCPU", "fewer than"):
        assert word in reasons


def test_the_error_is_stated_and_shrinks_with_more_worlds() -> None:
    few, many = (chosen(n, ("m6i.large", "m6i.xlarge")).candidates[1] for n in (64, 4096))
    assert 0 < many.error < few.error / 4
    assert abs(many.regret_per_month - few.regret_per_month) < 4 * few.error
    assert "±" in chosen(64).reason


def test_two_types_of_one_price_are_called_even() -> None:
    assert "within the error" in chosen(types=("m6i.large", "m5.large")).reason


def test_it_is_deterministic_and_of_one_mind_at_any_scale() -> None:
    assert chosen() == chosen()
    tenfold = chosen(demand=10 * DEMAND)
    assert len(tenfold.candidates) > len(chosen().candidates)


def test_an_unknown_declared_type_changes_nothing() -> None:
    scale, unit = worlds("web", np.ones(1), UNIT, 16)
    found = choose(DEMAND, Rules(20.0), "z9.huge", "eu-west-1", scale, unit)
    assert not found.candidates and "stays" in found.reason


def test_a_region_without_prices_is_not_told_as_types_that_do_not_fit() -> None:
    scale, unit = worlds("web", np.ones(1), UNIT, 16)
    found = choose(DEMAND, Rules(20.0), "m6i.large", "ap-south-1", scale, unit)
    assert (found.candidates, found.reason) == ((), "no type has a price in ap-south-1: m6i.large stays")


@pytest.mark.parametrize(("instance", "carries"), [("m6i.xlarge", 40.0), ("m6g.medium", 10.0), ("z9.huge", None)])
def test_a_unit_scales_by_vcpu(instance: str, carries: float | None) -> None:
    assert scaled_unit(load_prices(), 20.0, "m6i.large", instance) == carries
