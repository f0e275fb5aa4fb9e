"""Runway of every limit there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from quartermaster.fleet.prices import HOURS_A_MONTH, load_prices
from quartermaster.planner.capacity import Rules
from quartermaster.planner.clean import clean
from quartermaster.planner.prices import Cost
from quartermaster.planner.runway import Runway, runways
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings
from quartermaster.planner.statements import over_budget

OWN = Settings(vcpu_quota=60, address_room=25, budget_per_month=900.0)
RULES = Rules(20.0, largest=20)


def limits(growth: float, own: Settings = OWN, *more: Series) -> dict[str, Runway]:
    series = clean(demand(days=140, growth=growth)).series[0]
    found = runways(series, RULES, own, 8.0, {s.id: s for s in more}, 1.0)
    return {r.limit: r for r in found}


def test_every_known_limit_has_its_dates_in_order() -> None:
    found = limits(0.03)
    assert list(found) == ["size.max", "vcpu_quota", "addresses", "budget"]
    for runway in found.values():
        dates = [d for d in (runway.p10, runway.p50, runway.p90) if d]
        assert dates == sorted(dates) and dates, runway
    # The lower limit of the same kind is met first.
    assert str(found["size.max"].p50) < str(found["addresses"].p50) < str(found["vcpu_quota"].p50)


def test_without_growth_there_is_no_date_but_a_reason() -> None:
    found = limits(0.0, replace(OWN, budget_per_month=90_000.0))
    assert found["vcpu_quota"].p50 is None and "stays under" in found["vcpu_quota"].reason
    assert found["budget"].p50 is None


def test_a_disk_that_fills_has_a_date() -> None:
    used = demand("web:disk", days=100, growth=0.05, daily=0.0, weekly=0.0, noise=0.01, level=40, unit="percent")
    found = limits(0.0, OWN, clean(used).series[0])
    assert found["disk"].p50 is not None


def test_peaks_within_hours_bring_it_nearer() -> None:
    series = clean(demand(days=140, growth=0.03)).series[0]
    plain, peaky = (runways(series, RULES, Settings(), 8.0, {}, factor)[0] for factor in (1.0, 1.3))
    assert str(peaky.p50) < str(plain.p50)


def test_a_limit_that_growth_meets_on_a_known_day_is_met_around_it() -> None:
    # A fifth more every year up to 190: as much again as in the last year, and 230 is there a year later.
    at = np.arange(1096) - 1095
    daily = 190 * 1.2 ** (at / 365.25) * np.exp(0.005 * np.random.default_rng(5).standard_normal(1096))
    last = (date(2026, 3, 1) - date(1970, 1, 1)).days * DAY_US
    series = Series("web", "x/s", last, DAY_US, daily, 0.0)
    rules = Rules(10.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6, largest=23)
    found = runways(series, rules, Settings(vcpu_quota=46), 8.0, {}, 1.0)
    # 46 vCPU are 23 of m6i.large, which carry as much; both are met when the first high day passes 230.
    assert [r.limit for r in found] == ["size.max", "vcpu_quota"]
    assert (found[0].p10, found[0].p50, found[0].p90) == (found[1].p10, found[1].p50, found[1].p90)
    early, middle, late = (date.fromisoformat(str(d)) for d in (found[0].p10, found[0].p50, found[0].p90))
    exact = date(2026, 3, 1) + timedelta(days=365.25 * (230 / 190 - 1) / 0.2)
    # Days that stand out by three deviations meet it some weeks sooner.
    assert early <= middle <= late and exact - timedelta(days=60) < middle < exact + timedelta(days=10)


def test_a_budget_is_met_when_the_bill_has_grown_to_it() -> None:
    series = clean(demand(days=140, daily=0.0, weekly=0.0, noise=0.0)).series[0]
    rules = Rules(10.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6)
    hour = load_prices().instance_hour("m6i.large", "eu-west-1")
    assert hour is not None
    month = float(hour) * HOURS_A_MONTH
    # Ten instances carry the 100 that there are always: eleven are paid for, nine are not.
    for count, met in ((10.5, False), (9.5, True)):
        own = Settings(budget_per_month=count * month)
        (budget,) = (r for r in runways(series, rules, own, 10.0, {}, 1.0) if r.limit == "budget")
        assert (budget.p50 is not None) == met, budget


def test_a_cost_that_nobody_knows_is_said_and_that_no_budget_is_held_against_it() -> None:
    unknown = Cost(None, None, 3.0, "USD", "m6i.large", "ap-south-1", "2025-10-01")
    (said,) = over_budget(Settings(budget_per_month=900.0), unknown, Rules(10.0))
    assert "unknown, and whether the budget of 900 is kept: no price of m6i.large in ap-south-1" in said
    assert over_budget(Settings(), replace(unknown, per_month=10.0), Rules(10.0)) == []


def test_a_budget_that_no_group_can_keep_is_told_as_such() -> None:
    cost = Cost(1_000.0, None, 10.0, "USD", "m6i.large", "eu-west-1", "2025-10-01")
    said = [over_budget(Settings(budget_per_month=b), cost, Rules(10.0))[0] for b in (250.0, 150.0)]
    assert said[0] == "the floors cost 1,000 USD a month, the budget is 250"
    assert said[1].endswith("the budget is 150; the least group, 2 of m6i.large, costs 200")
