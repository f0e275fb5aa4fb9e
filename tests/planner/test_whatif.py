"""What-if columns against the plan as it stands."""

from __future__ import annotations

from datetime import date

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.planner.plan import ClusterPlan, plan
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import Settings
from quartermaster.planner.whatif import Column, Scenario, compare, together


@pytest.fixture(scope="module")
def web() -> ClusterPlan:
    own = Settings(unit=10.0, horizon_days=3, largest=60)
    return plan(demand(), default=own, models=("day_median", "week_median"), levels=(0.8,)).clusters["web"]


def columns(web: ClusterPlan, *scenarios: Scenario) -> tuple[Column, ...]:
    return compare(web, scenarios)


def test_the_first_column_is_the_plan(web: ClusterPlan) -> None:
    (base,) = columns(web)
    assert base.cost_per_month == web.cost.per_month and base.cost_delta == 0
    assert base.instances_most == max(r.instances for r in web.requirement)
    assert base.runways == web.runways


def test_each_assumption_moves_its_way(web: ClusterPlan) -> None:
    base, more, less, zones, lost, quantile = columns(
        web,
        Scenario("growth", growth=1.2),
        Scenario("tenant", growth=0.85),
        Scenario("zones", zones=4),
        Scenario("survive", lost_zones=2),
        Scenario("quantile", quantile=0.8),
    )
    costs = [c.cost_per_month or 0 for c in (base, more, less, zones, lost, quantile)]
    assert costs[1] > costs[0] > costs[2]
    # Four zones lose less of themselves with one; two lost cost more than one; a lower quantile costs less.
    assert costs[3] <= costs[0] < costs[4] and costs[5] < costs[0]
    assert more.cost_delta == pytest.approx(costs[1] - costs[0], abs=0.01)
    assert more.peak_demand == pytest.approx(1.2 * base.peak_demand)


def test_a_launch_counts_from_its_day_on(web: ClusterPlan) -> None:
    start = web.requirement[0].at.date()
    base, late = columns(web, Scenario("launch", launches=((date(start.year, start.month, start.day + 2), 1.5),)))
    assert (base.cost_per_month or 0) < (late.cost_per_month or 0) < 1.4 * (base.cost_per_month or 0)
    with pytest.raises(InputError, match="after the plan") as caught:
        columns(web, Scenario("launch", launches=((date(start.year + 1, 1, 1), 1.5),)))
    assert "--days" in caught.value.remedy


def test_a_launch_brings_its_limits_nearer_from_its_day_on(web: ClusterPlan) -> None:
    start = web.requirement[0].at.date()
    _, soon = columns(web, Scenario("launch", launches=((date(start.year, start.month, start.day + 2), 20.0),)))
    assert soon.runways[0].p10 == soon.runways[0].p90 == date(start.year, start.month, start.day + 2).isoformat()


def test_busier_hosts_are_fewer_but_survive_as_before(web: ClusterPlan) -> None:
    base, busier = columns(web, Scenario("busier", utilisation=0.8))
    assert (base.target_utilisation, busier.target_utilisation) == (0.6, 0.8)
    # After the loss of a zone of three, hosts at 0.85 carry as much whatever they did before.
    assert base.instances_most * 0.6 / 0.8 <= busier.instances_most <= base.instances_most


def test_another_type_carries_by_its_size_and_says_so(web: ClusterPlan) -> None:
    base, twice, arm = columns(web, Scenario("x", instance="m6i.xlarge"), Scenario("a", instance="m7g.large"))
    assert twice.instances_most < base.instances_most
    assert any("vCPU" in n for n in twice.notes) and any("arm64" in n for n in arm.notes)
    with pytest.raises(InputError, match="knows no z9"):
        columns(web, Scenario("z", instance="z9.huge"))


def test_together_they_multiply(web: ClusterPlan) -> None:
    both = together((Scenario("a", growth=1.2), Scenario("b", growth=0.5, zones=4)))
    assert (both.growth, both.zones) == (0.6, 4)
    assert columns(web, both)[1].scenario == "all together"


def test_size_max_that_is_passed_is_counted(web: ClusterPlan) -> None:
    assert columns(web, Scenario("growth", growth=5.0))[1].over_max > 0
