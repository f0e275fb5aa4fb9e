"""Which alarms a stack has, and what its dashboard shows."""

from __future__ import annotations

from typing import Any

import pytest

from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.infra.alarms import SIGNALS, Alarm, alarms, waiting_alarms
from quartermaster.infra.dashboard import dashboard
from quartermaster.infra.layout import layout, recovery_layout
from quartermaster.infra.notices import known_webhooks, topics

FLEET = """
fleet: shop
region: eu-west-1
stacks: {dev: {target: local}}
clusters:
  web: {size: {min: 3, max: 24}, balancer: {health: /healthz}}
databases:
  orders: {engine: postgres, storage_gib: 100, replicas: 1}
  sessions: {engine: dynamodb, key: session_id}
capacity:
  web: {unit: 25, survive: {zones: 1, at_utilisation: 0.8}}
alarms: {latency_ms: 800, error_percent: 2}
"""


def fleet(*changes: tuple[str, str]) -> Fleet:
    text = FLEET
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return read_text(text).fleet


def made(*changes: tuple[str, str]) -> dict[str, Alarm]:
    found = fleet(*changes)
    return {alarm.name: alarm for alarm in alarms(found, layout(found, "dev"))}


def test_a_cluster_and_a_database_are_watched_in_all_golden_signals() -> None:
    assert list(made()) == [
        "web-latency", "web-traffic", "web-silence", "web-errors", "web-unhealthy", "web-cpu", "web-at-max",
        "orders-cpu", "orders-storage", "orders-connections", "orders-queue", "orders-replica-1-lag",
        "sessions-throttled",
    ]  # fmt: skip
    assert {alarm.signal for alarm in made().values() if alarm.of == "web"} == set(SIGNALS)


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("web-latency", 0.8),  # seconds
        ("web-traffic", 25 * 24 * 60),  # a minute, at the largest size
        ("web-errors", 2),
        ("web-cpu", 80),
        ("web-at-max", 24),
        ("orders-storage", 15 * 2**30),
        ("orders-connections", int(0.8 * int(8 * 2**30 / 9_531_392))),  # m6i.large has 8 GiB
    ],
)
def test_thresholds_follow_from_the_fleet(name: str, threshold: float) -> None:
    assert made()[name].threshold == pytest.approx(threshold)


def test_traffic_has_no_limit_while_the_unit_is_still_learned_or_of_another_metric() -> None:
    assert "web-traffic" not in made(("unit: 25", "unit: learn"))
    other = "metrics: {demand: {web: {namespace: Shop, name: Orders}}}\nalarms:"
    assert "web-traffic" not in made(("alarms:", other))


def test_a_group_that_cannot_grow_has_no_alarm_for_being_at_its_largest() -> None:
    assert "web-at-max" not in made(("max: 24", "max: 3"))


def test_a_network_balancer_is_asked_what_it_knows() -> None:
    found = made(("balancer: {health: /healthz}", "balancer: {kind: network}"))
    assert [name for name in found if name.startswith("web")] == [
        "web-silence",
        "web-unhealthy",
        "web-cpu",
        "web-at-max",
    ]
    assert found["web-silence"].metrics[0].namespace == "AWS/NetworkELB"


def test_missing_data_sounds_only_where_silence_is_the_fault() -> None:
    sounding = {name for name, alarm in made().items() if alarm.missing == "breaching"}
    assert sounding == {"web-silence", *(name for name in made() if name.startswith("orders-"))}


def test_connections_follow_the_parameter_where_there_is_one() -> None:
    assert made(("replicas: 1", 'parameters: {max_connections: "200"}'))["orders-connections"].threshold == 160


def test_every_alarm_is_one_that_cloudwatch_takes() -> None:
    for alarm in made().values():
        assert alarm.period_seconds % 60 == 0
        assert alarm.period_seconds * alarm.periods <= 86_400
        assert alarm.needed <= alarm.periods
        assert bool(alarm.expression) == (len(alarm.metrics) > 1)


def widgets(**_: Any) -> list[dict[str, Any]]:
    found = fleet()
    shape = layout(found, "dev")
    body = dashboard(shape, "123456789012", alarms(found, shape))
    rows: list[dict[str, Any]] = body["widgets"]
    return rows


def test_the_dashboard_shows_states_first_then_signals_in_their_order() -> None:
    titles = [widget["properties"]["title"] for widget in widgets()]
    assert titles[:5] == ["shop-dev", "web: latency", "web: traffic", "web: errors", "web: unhealthy"]
    assert len(widgets()[0]["properties"]["alarms"]) == len(made())


def test_what_is_measured_once_is_drawn_once() -> None:
    titles = [widget["properties"]["title"] for widget in widgets()]
    assert "web: silence" not in titles


def test_no_two_widgets_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets():
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_a_webhook_named_only_is_never_subscribed() -> None:
    text = FLEET + (
        "notify:\n  - {kind: webhook, url: secret:NOTIFY_URL}\n"
        "  - {kind: webhook, url: https://hooks.shop.example/ops}\n"
        "  - {kind: sns, topic: 'arn:aws:sns:eu-west-1:123456789012:people'}\n"
    )
    notify = read_text(text).fleet.notify
    assert known_webhooks(notify) == ("https://hooks.shop.example/ops",)
    assert topics(notify) == ("arn:aws:sns:eu-west-1:123456789012:people",)


def test_a_cluster_behind_anothers_balancer_is_watched_by_its_own_share() -> None:
    canary = (
        "balancer: {health: /healthz}}",
        "balancer: {health: /healthz, algorithm: weighted, weights: {web: 99, canary: 1}}}\n"
        "  canary: {size: {min: 3, max: 6}}",
    )
    found = {name: alarm for name, alarm in made(canary).items() if alarm.of == "canary"}
    assert list(found) == ["canary-latency", "canary-errors", "canary-unhealthy", "canary-cpu", "canary-at-max"]
    share = {"LoadBalancer": "@balancer:canary", "TargetGroup": "@targets:canary"}
    for name in ("canary-latency", "canary-errors", "canary-unhealthy"):
        assert [metric.dimensions for metric in found[name].metrics] == [share] * len(found[name].metrics)
    assert [metric.name for metric in found["canary-errors"].metrics] == ["RequestCount", "HTTPCode_Target_5XX_Count"]
    assert found["canary-errors"].expression == "IF(m1 >= 100, 100 * (FILL(m2, 0)) / m1, 0)"
    whole = made(canary)["web-errors"]
    assert [metric.dimensions for metric in whole.metrics] == [{"LoadBalancer": "@balancer:web"}] * 3


def test_the_pilot_light_tells_when_its_replica_falls_behind() -> None:
    region = "recovery_region: eu-central-1\nrecovery: {orders: {region: {rto: 60m, rpo: 15m}}}\n"
    ranges = "network: {cidr: 10.20.0.0/16, recovery_cidr: 10.21.0.0/16}\nstacks:"
    found = fleet(("stacks:", f"{region}{ranges}"))
    there = recovery_layout(found, "dev")
    assert there is not None
    lag, storage = waiting_alarms(found, there)
    assert (lag.name, lag.threshold, lag.missing) == ("orders-lag", 450, "breaching")
    assert storage.metrics[0].dimensions == {"DBInstanceIdentifier": "shop-dev-recovery-orders"}
    assert waiting_alarms(fleet(), layout(fleet(), "dev")) == ()
