"""Objectives against what settings allow: sums worked by hand, and advice that holds when it is followed."""

from __future__ import annotations

from typing import Any

import pytest

from quartermaster.fleet.objectives import Measured
from quartermaster.fleet.reach import Change, Verdict, as_declared, verdicts
from quartermaster.fleet.schema import Fleet

MEASURED = Measured(lead={"web": 90.0})


def a_fleet(objectives: dict[str, Any], balancer: dict[str, Any] | None = None, **more: Any) -> Fleet:
    base: dict[str, Any] = {
        "fleet": "shop",
        "recovery_region": "eu-central-1",
        "clusters": {"web": {"balancer": balancer if balancer is not None else {}}, "jobs": {}},
        "databases": {
            "orders": {"engine": "postgres", "storage_gib": 150},
            "sessions": {"engine": "dynamodb"},
        },
        "recovery": objectives,
    }
    return Fleet.model_validate({**base, **more}, strict=False)


def one(fleet: Fleet, metric: str = "rto", measured: Measured = MEASURED) -> Verdict:
    [found] = [verdict for verdict in verdicts(fleet, measured) if verdict.metric == metric]
    return found


def test_a_lost_zone_is_noticed_drained_and_replaced() -> None:
    """2 x 5 + 3 until it is noticed; then 30 + 30 + 90 for new hosts, beside 60 for idle connections and names."""
    found = one(a_fleet({"web": {"zone": {"rto": "5m"}}}))
    assert found.best_seconds == 13 + 150
    assert found.surely_seconds == 13 + 120, "that groups look every 30 s is assumed"
    assert (found.reachable, found.changes, found.remedy) == (True, (), "")


def test_where_connections_outlast_the_new_hosts_they_count() -> None:
    fleet = a_fleet({"web": {"zone": {"rto": "5m"}}}, {"idle_seconds": 240})
    assert one(fleet).best_seconds == 13 + 240


def test_without_a_balancer_status_checks_notice() -> None:
    found = one(a_fleet({"jobs": {"zone": {"rto": "5m"}}}), measured=Measured(lead={"jobs": 90}))
    assert found.best_seconds == 120 + 30 + 90


def test_what_hangs_on_an_assumption_is_neither_reachable_nor_not() -> None:
    found = one(a_fleet({"web": {"zone": {"rto": "5m"}}}), measured=Measured())
    assert (found.best_seconds, found.surely_seconds, found.reachable) == (13 + 30 + 30 + 600, 13 + 60, None)
    assert found.remedy == (
        "measure what is assumed by a drill, or recovery.web.zone.rto: 11m or more, "
        "with clusters.web.balancer.drain_seconds: 10 (now 30)"
    )


def test_the_one_setting_that_helps_is_named_with_the_mildest_value() -> None:
    fleet = a_fleet({"web": {"zone": {"rto": "170s"}}}, {"check_seconds": 30, "unhealthy_after": 3})
    found = one(fleet)
    assert (found.best_seconds, found.reachable) == (3 * 30 + 5 + 150, False)
    assert found.changes == (Change("clusters.web.balancer.check_seconds", "30", "5"),)


def test_several_settings_are_named_where_none_alone_helps() -> None:
    fleet = a_fleet({"web": {"zone": {"rto": "160s"}}}, {"check_seconds": 30, "drain_seconds": 120})
    found = one(fleet)
    assert [(change.setting.split(".")[-1], change.value) for change in found.changes] == [
        ("check_seconds", "15"), ("drain_seconds", "5"),
    ]  # fmt: skip


def test_where_nothing_helps_the_least_objective_is_named() -> None:
    found = one(a_fleet({"web": {"zone": {"rto": "60s"}}}))
    assert found.changes == ()
    assert found.declare_seconds == 13 + 30 + 90
    assert found.remedy == "recovery.web.zone.rto: 133s or more, with clusters.web.balancer.drain_seconds: 0 (now 30)"
    followed = a_fleet({"web": {"zone": {"rto": "133s"}}}, {"drain_seconds": 0})
    assert one(followed).reachable is True


def test_the_least_objective_of_a_database_alone_names_the_standby_that_it_takes() -> None:
    alone = a_fleet({"orders": {"zone": {"rto": "5s"}}}, databases={"orders": {"standby": False}})
    least = "recovery.orders.zone.rto: 60s or more, with databases.orders.standby: true (now false)"
    assert one(alone).remedy == f"measure what is assumed by a drill, or {least}"


@pytest.mark.parametrize(
    ("objectives", "more"),
    [
        ({"web": {"zone": {"rto": "170s"}}}, {"balancer": {"check_seconds": 30, "unhealthy_after": 3}}),
        ({"web": {"zone": {"rto": "160s"}}}, {"balancer": {"check_seconds": 30, "drain_seconds": 120}}),
        ({"web": {"zone": {"rto": "165s"}}}, {"balancer": {"idle_seconds": 600, "check_seconds": 10}}),
    ],
)
def test_advice_that_is_followed_makes_the_objective_reachable(objectives: Any, more: Any) -> None:
    found = one(a_fleet(objectives, **more))
    assert found.reachable is False and found.changes
    changed = dict(more["balancer"]) | {c.setting.split(".")[-1]: int(c.value) for c in found.changes}
    assert one(a_fleet(objectives, changed)).reachable is True


def test_a_standby_makes_a_lost_zone_a_minute_and_loses_nothing() -> None:
    objectives = {"orders": {"zone": {"rto": "90s", "rpo": "0s"}}}
    fleet = a_fleet(objectives)
    assert (one(fleet).best_seconds, one(fleet, "rpo").best_seconds) == (60, 0)
    assert one(fleet).reachable is one(fleet, "rpo").reachable is True
    alone = a_fleet(objectives, databases={"orders": {"standby": False}})
    assert one(alone, "rpo").best_seconds == 300
    assert one(alone, "rpo").reachable is False
    assert one(alone, "rpo").changes == (Change("databases.orders.standby", "false", "true"),)


def test_a_measured_failover_counts_rather_than_the_documents() -> None:
    fleet = a_fleet({"orders": {"zone": {"rto": "90s"}}})
    found = one(fleet, measured=Measured(failover={"orders": 95.0}))
    assert (found.best_seconds, found.reachable) == (95.0, False)
    assert found.remedy == "recovery.orders.zone.rto: 95s or more"


def test_logs_are_archived_every_five_minutes_and_no_setting_changes_that() -> None:
    found = one(a_fleet({"orders": {"data_loss": {"rto": "2h", "rpo": "1m"}}}), "rpo")
    assert (found.best_seconds, found.reachable, found.changes) == (300, False, ())
    assert found.remedy == "recovery.orders.data_loss.rpo: 5m or more"


def test_a_restore_takes_as_long_as_its_size_asks() -> None:
    objectives = {"orders": {"data_loss": {"rto": "20m", "rpo": "5m"}}}
    assert one(a_fleet(objectives)).best_seconds == 300 + 150 * 1024 / 150
    assert one(a_fleet(objectives)).reachable is None
    found = one(a_fleet(objectives), measured=Measured(restore={"orders": 2000.0}))
    assert (found.best_seconds, found.reachable) == (2000.0, False)


COPIED = {"rules": [{"name": "daily", "copy_to": "recovery_region"}]}


def test_a_daily_copy_cannot_give_a_quarter_of_an_hour() -> None:
    objectives = {"orders": {"region": {"rto": "60m", "rpo": "15m"}}}
    found = one(a_fleet(objectives, backups=COPIED), "rpo")
    assert (found.best_seconds, found.reachable) == (86_400, False)
    assert found.changes == (Change("network.recovery_cidr", "none", "10.21.0.0/16"),)
    with_replica = a_fleet(objectives, backups=COPIED, network={"recovery_cidr": "10.21.0.0/16"})
    assert one(with_replica, "rpo").best_seconds == 60


def test_a_copy_suffices_where_a_day_may_be_lost() -> None:
    objectives = {"orders": {"region": {"rto": "60m", "rpo": "24h"}}}
    found = one(a_fleet(objectives), "rpo")
    assert (found.best_seconds, found.reachable) == (None, False)
    assert found.impossible == "no backup of orders leaves the region"
    assert found.changes == (Change("backups.rules[0].copy_to", "none", "recovery_region"),)
    assert one(a_fleet(objectives, backups=COPIED), "rpo").reachable is True


def test_a_cluster_without_network_or_name_there_is_lost_with_its_region() -> None:
    found = one(a_fleet({"web": {"region": {"rto": "60m"}}}))
    assert found.best_seconds is None
    assert [change.setting for change in found.changes] == ["network.recovery_cidr", "dns"]
    whole = a_fleet(
        {"web": {"region": {"rto": "60m"}}}, network={"recovery_cidr": "10.21.0.0/16"}, dns={"zone": "shop.example"}
    )
    assert one(whole).best_seconds == 3 * 30 + 90 + 60


def test_a_table_is_in_three_zones_and_its_replica_takes_writes() -> None:
    zone, region = {"rto": "0s", "rpo": "0s"}, {"rto": "1m", "rpo": "1m"}
    fleet = a_fleet({"sessions": {"zone": zone, "region": region, "data_loss": {"rto": "2h", "rpo": "5m"}}})
    rpo = {(found.scope, found.best_seconds) for found in verdicts(fleet) if found.metric == "rpo"}
    assert rpo == {("zone", 0), ("region", 1), ("data_loss", 300)}


@pytest.mark.parametrize(
    ("seconds", "text"), [(13, "13s"), (12.1, "13s"), (180, "180s"), (181, "4m"), (86_400, "1440m")]
)
def test_durations_read_as_fleet_yaml_writes_them(seconds: float, text: str) -> None:
    assert as_declared(seconds) == text
