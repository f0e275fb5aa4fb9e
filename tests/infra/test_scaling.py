"""What a cluster's declaration says of its scaling, its floors and the replacement of its hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet.schema import load_fleet
from quartermaster.fleet.schema.planning import Capacity
from quartermaster.fleet.schema.servers import Balancer, Cluster, Scaling, ScheduleEntry
from quartermaster.infra.floors import as_scheduled, next_floors
from quartermaster.infra.layout import layout
from quartermaster.infra.refresh import stopping_alarms
from quartermaster.infra.scaling import target, warm_pool, warmup_seconds

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def cluster(balancer: Balancer | None = None, **scaling: Any) -> Cluster:
    return Cluster(scaling=Scaling(**scaling), balancer=balancer)


@pytest.mark.parametrize(
    ("scaling", "wanted"),
    [
        ({}, 65.0),
        ({"target": 40}, 40),
        ({"track": "requests"}, 1500),
        ({"track": "requests", "target": 900}, 900),
        ({"planned_utilisation": 0.473}, 47.3),
        ({"planned_utilisation": 0.473, "target": 40}, 40),
        ({"track": "requests", "planned_utilisation": 0.52}, 1200),
    ],
)
def test_the_target_is_scalings_else_the_plans_else_what_capacity_says(scaling: dict[str, Any], wanted: float) -> None:
    assert target(cluster(**scaling), Capacity(unit=25, target_utilisation=0.65)) == wanted


def test_a_warm_pool_is_of_a_fixed_size() -> None:
    pool = warm_pool(cluster(warm_hosts=2), force=True)["warm_pool"]
    assert (pool["min_size"], pool["max_group_prepared_capacity"]) == (2, 2)
    assert warm_pool(cluster(), force=True) == {}


def test_the_warm_up_is_what_is_left_after_the_launch_hook() -> None:
    slow = Balancer(algorithm="round_robin", slow_start_seconds=60)
    assert warmup_seconds(cluster(), hook=True) == 60
    assert warmup_seconds(cluster(), hook=False) == 120
    assert warmup_seconds(cluster(Balancer()), hook=True) == 120
    assert warmup_seconds(cluster(slow), hook=True) == 180


def test_what_users_feel_stops_a_replacement(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {balancer: {}}, jobs: {}}\n")
    fleet = load_fleet(tmp_path / "fleet.yaml")
    stops = stopping_alarms(fleet, layout(fleet, "dev"), "web")
    assert stops == ("shop-dev-web-latency", "shop-dev-web-errors")
    assert stopping_alarms(fleet, layout(fleet, "dev"), "jobs") == ()


def entries(count: int) -> list[ScheduleEntry]:
    return [ScheduleEntry(at=NOW + timedelta(hours=hour), min=3) for hour in range(count)]


def test_what_has_been_is_not_declared_again() -> None:
    declared, later = next_floors(entries(3), NOW + timedelta(minutes=61))
    assert ([entry.at.hour for entry in declared if entry.at], later) == ([2], [])


def test_a_long_plan_is_declared_as_far_as_an_old_one_and_a_new_one_fit_together() -> None:
    daily = [ScheduleEntry(cron=f"0 {hour} * * *", min=3) for hour in range(5)]
    declared, later = next_floors([*reversed(entries(200)), *daily], NOW)
    assert declared[:5] == daily
    assert len(declared) == 5 + 60
    assert declared[5:] == entries(61)[1:]
    assert later == entries(200)[61:]


GROUP = "urn:pulumi:dev::shop::ops:infra:Cluster$aws:autoscaling/group:Group::web"
ACTION = "urn:pulumi:dev::shop::ops:infra:Cluster$aws:autoscaling/schedule:Schedule::web-floor-"


@pytest.mark.parametrize(
    ("urn", "property_", "found", "expected"),
    [
        (GROUP, "minSize", 5, True),
        (GROUP, "minSize", 4, False),
        (GROUP, "maxSize", 5, False),
        (ACTION + "20300101T0800", "", "gone", True),
        (ACTION + "20300101T1200", "", "gone", False),
        (ACTION + "0_8_any_any_any", "", "gone", False),
        (ACTION + "20300101T0800", "minSize", 9, False),
    ],
)
def test_what_a_scheduled_action_did_is_no_drift(
    tmp_path: Path, urn: str, property_: str, found: object, expected: bool
) -> None:
    text = "fleet: shop\nclusters: {web: {schedule: [{at: 2030-01-01T08:00:00Z, min: 5}]}}\n"
    (tmp_path / "fleet.yaml").write_text(text)
    now = NOW + timedelta(hours=9)
    assert as_scheduled(load_fleet(tmp_path / "fleet.yaml"), urn, property_, found, now) is expected
