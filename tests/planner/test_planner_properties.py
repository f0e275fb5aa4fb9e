"""What holds for every plan, whatever the demand."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.fleet.schema import read_text
from quartermaster.planner.apply import propose
from quartermaster.planner.capacity import Rules, carried, instances, requirement
from quartermaster.planner.plan import plan
from quartermaster.planner.samples import demand
from quartermaster.planner.schedule import MOST_ACTIONS, floors
from quartermaster.planner.settings import of_fleet
from quartermaster.planner.together import lead_of, over_lead

pytestmark = pytest.mark.slow

RULES = st.builds(
    lambda unit, zones, lost, target, after, cross: Rules(
        unit, zones, min(lost, zones - 1), target, after, cross_zone=cross
    ),
    st.floats(0.1, 1000),
    st.integers(1, 6),
    st.integers(0, 5),
    st.sampled_from([0.4, 0.6, 0.8]),
    st.sampled_from([0.6, 0.85, 0.95]),
    st.booleans(),
)
DEMANDS = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=60)


@settings(deadline=None)
@given(DEMANDS, RULES)
def test_more_demand_never_means_fewer_and_the_smallest_group_carries_it(demands: list[float], rules: Rules) -> None:
    found = requirement(sorted(demands), rules)
    assert (np.diff(found) >= 0).all()
    for asked, count in zip(sorted(demands), found.tolist(), strict=True):
        assert carried(count, rules) >= asked * (1 - 1e-9)
        fewer = count - 1 if rules.cross_zone else count - rules.zones
        assert fewer < 0 or carried(fewer, rules) < asked * (1 + 1e-9)


@settings(deadline=None)
@given(st.floats(0.1, 5000), RULES)
def test_without_cross_zone_balancing_every_zone_carries_its_share(asked: float, rules: Rules) -> None:
    rules = replace(rules, cross_zone=False)
    count = instances(asked, rules)
    assert count % rules.zones == 0
    each = count // rules.zones
    assert each * rules.unit >= asked / rules.zones * (1 - 1e-9)
    assert each * rules.surviving_unit >= asked / (rules.zones - rules.lost) * (1 - 1e-9)
    assert count >= instances(asked, replace(rules, cross_zone=True))


@settings(deadline=None, max_examples=40)
@given(DEMANDS, RULES, st.integers(1, 8), st.integers(0, 150))
def test_floors_meet_the_requirement_they_were_made_for(
    demands: list[float], rules: Rules, changes: int, lead: int
) -> None:
    asked = over_lead(np.array(demands)[:, None], (0.9,), None, 60, lead)[:, 0]
    needed = requirement(asked, rules).tolist()
    start = datetime(2026, 3, 28, 20, tzinfo=UTC)
    times = [start + timedelta(hours=i) for i in range(len(needed))]
    early = timedelta(minutes=lead_of(lead, 60)[1])
    found, _ = floors(times, needed, changes, ZoneInfo("Europe/Dublin"), early)
    assert all(a.starts_at < b.starts_at for a, b in itertools.pairwise(found))
    for at, demand_, least in zip(times, demands, needed, strict=True):
        floor = [f for f in found if f.starts_at <= at][-1].instances
        assert floor >= least and carried(floor, rules) >= demand_ * (1 - 1e-9)
        # What was ordered a lead time before serves, and nothing was given up since.
        since = max(at - timedelta(minutes=lead), start)
        held = [f for f in found if f.starts_at <= since][-1:] + [f for f in found if since < f.starts_at <= at]
        assert carried(min(f.instances for f in held), rules) >= demand_ * (1 - 1e-9)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Dublin", "America/New_York"])
def test_no_random_schedule_over_the_change_of_clocks_is_cheaper(zone: str) -> None:
    draw = random.Random(zone)
    start = datetime(2026, 3, 7, 5, tzinfo=UTC)
    times = [start + timedelta(hours=i) for i in range(24 * 24)]
    needed = [draw.randint(2, 30) for _ in times]
    place = ZoneInfo(zone)
    found, _ = floors(times, needed, 4, place)
    assert len(found) <= MOST_ACTIONS
    days = [t.astimezone(place).date() for t in times]
    starts = [f.starts_at.astimezone(place).date() for f in found]
    assert max(starts.count(d) for d in set(starts)) <= 4
    cost = sum([f for f in found if f.starts_at <= t][-1].instances for t in times)
    for _ in range(1000):
        other = 0
        for day in sorted(set(days)):
            hours = [n for n, d in zip(needed, days, strict=True) if d == day]
            cuts = sorted(draw.sample(range(1, len(hours)), min(3, len(hours) - 1))) if len(hours) > 1 else []
            for a, b in zip([0, *cuts], [*cuts, len(hours)], strict=True):
                other += max(hours[a:b]) * (b - a)
        assert cost <= other


TEXT = "fleet: shop\nclusters:\n  web: {size: {min: 2, max: 30}}\ncapacity:\n  web: {unit: 20, horizon_days: 2}\n"


@settings(deadline=None, max_examples=5)
@given(st.floats(0.3, 3), st.integers(0, 40))
def test_applying_twice_changes_nothing(scale: float, hours: int) -> None:
    end = datetime(2026, 3, 2, tzinfo=UTC)
    frame = demand(days=30, end=end).assign(value=lambda f: f["value"] * scale)
    made = plan(frame, of_fleet(read_text(TEXT).fleet), models=("day_median",)).clusters["web"]
    now = end + timedelta(hours=hours)
    made = replace(made, replay=None)
    once = propose(made, read_text(TEXT).fleet.clusters["web"], TEXT, now)
    again = propose(made, read_text(once.after).fleet.clusters["web"], once.after, now)
    assert once.diff and not again.diff and again.after == once.after
