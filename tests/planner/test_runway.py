"""Runway of every limit there is."""

from __future__ import annotations

from dataclasses import replace

from quartermaster.planner.capacity import Rules
from quartermaster.planner.clean import clean
from quartermaster.planner.runway import Runway, runways
from quartermaster.planner.samples import demand
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings

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
