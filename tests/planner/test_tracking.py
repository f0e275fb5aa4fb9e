"""What target tracking above a plan's floors holds: half-way to the floors, or what fleet.yaml says."""

from __future__ import annotations

import numpy as np
import pytest

from quartermaster.fleet.schema import read_text
from quartermaster.planner.capacity import Rules
from quartermaster.planner.settings import Settings, of_fleet
from quartermaster.planner.tracking import above_floors, tracking_of

RULES = Rules(10.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6)
FLEET = """fleet: shop
clusters:
  web: {scaling: %s, balancer: {kind: application}}
capacity:
  web: {unit: 20}
"""


def test_it_begins_half_way_from_the_median_to_what_floors_are_for() -> None:
    provided, median = np.array([100.0, 100.0, 50.0]), np.array([60.0, 60.0, 40.0])
    # Ten hosts at 80 of 100; five at 45 of 50: in most hours 0.6 * 0.8.
    assert above_floors(provided, median, RULES) == pytest.approx(0.48)


def test_the_surer_the_forecast_the_busier_hosts_may_be() -> None:
    provided = np.full(24, 100.0)
    held = [above_floors(provided, provided * share, RULES) for share in (0.5, 0.8, 0.95, 1.0)]
    assert held == sorted(held) and held[-1] == pytest.approx(0.6)


def test_what_rounding_up_leaves_in_hand_is_no_reason_to_add_hosts() -> None:
    # Two hosts are the least that survive, and carry 28,333; usual demand of 9,000 must not make it three.
    rules = Rules(20_000.0)
    held = above_floors(np.full(24, 12_000.0), np.full(24, 9_000.0), rules)
    assert held == pytest.approx(0.6 * (9_000 + 28_333) / 2 / 40_000, rel=1e-3)


def test_a_night_without_demand_tells_nothing_of_the_day() -> None:
    day = np.repeat([0.0, 600.0], [15, 9])
    alone = above_floors(np.full(9, 700.0), np.full(9, 600.0), Rules(25.0))
    held = above_floors(day + 100, day, Rules(25.0))
    # It was 0.26: two hosts by night, of which one may be lost, half-way from nothing to what the other carries.
    assert held == pytest.approx(alone) and held > 0.45
    # Where the median is no demand at all, every hour counts.
    assert above_floors(np.full(24, 12.0), np.zeros(24), Rules(25.0)) == pytest.approx(0.85 / 2 / 2)


def test_without_demand_it_is_what_survives() -> None:
    assert above_floors(np.zeros(24), np.zeros(24), Rules(10.0)) == Rules(10.0).tracking_utilisation


@pytest.mark.parametrize(
    ("scaling", "held", "target"),
    [
        ("{}", None, 48.0),
        ("{planned_utilisation: 0.3}", None, 48.0),
        ("{target: 40}", 0.4, 40.0),
        ("{track: requests}", None, 960.0),
        ("{track: requests, target: 900}", 0.45, 900.0),
        ("{track: none}", 0.0, None),
    ],
)
def test_what_fleet_yaml_says_is_its_owners_word(scaling: str, held: float | None, target: float | None) -> None:
    ((_, own),) = of_fleet(read_text(FLEET % scaling).fleet).values()
    assert own.tracking == (None if held is None else pytest.approx(held))
    found = tracking_of(np.full(24, 100.0), np.full(24, 60.0), RULES, own)
    assert found.given == (held is not None)
    assert found.utilisation == pytest.approx(0.48 if held is None else held)
    assert found.target == target
    assert found.planned == pytest.approx(0.48 if held != 0 else 0.0)
    assert ("(without it the plan would keep 48%)" in found.told()) == (held in (0.4, 0.45))


def test_of_a_file_without_a_fleet_it_is_percent_of_cpu() -> None:
    found = tracking_of(np.full(24, 100.0), np.full(24, 60.0), RULES, Settings(unit=10.0))
    assert (found.target, found.to_json()["source"]) == (48.0, "plan")
    assert "keeps hosts 48% busy" in found.told()
