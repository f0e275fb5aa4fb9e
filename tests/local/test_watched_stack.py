"""A watched stack through the real Pulumi engine: alarms, notices and the account's trail come, stay and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from census import census
from stacks import run, stand

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
zones: 2
stacks: {dev: {target: local}}
network: {cidr: 10.20.0.0/16, nat: none}
clusters: {web: {balancer: {}}}
backups: {rules: []}
capacity: {web: {unit: 25}}
account_baseline: create
notify:
  - {kind: webhook, url: "https://127.0.0.1:9/ops"}
  - {kind: webhook, url: secret:NOTIFY_URL}
  - {kind: sns, topic: "arn:aws:sns:eu-west-1:123456789012:people"}
"""


def test_alarms_tell_the_topic_and_the_people_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with stand(tmp_path, FLEET) as made:
        before = census(made.cloud)
        run(made.deployment(), "up")
        found = {one["AlarmName"]: one for one in made.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]}
        told = found["shop-dev-web-latency"]["AlarmActions"]
        assert [arn.rpartition(":")[2] for arn in told] == ["shop-dev-notices", "people"]
        sums = found["shop-dev-web-errors"]["Metrics"]
        assert sums[1]["MetricStat"]["Metric"]["Dimensions"][0]["Value"].startswith("app/shop-dev-web/")
        subscribed = made.cloud.client("sns").list_subscriptions()["Subscriptions"]
        assert [one["Endpoint"] for one in subscribed] == ["https://127.0.0.1:9/ops"]
        trail = made.cloud.client("cloudtrail")
        assert trail.get_trail_status(Name="shop-dev-trail")["IsLogging"]
        again = made.deployment().preview().changes
        assert {kind for kind, count in again.items() if count} == {"same"}
        run(made.deployment(), "destroy")
        assert census(made.cloud) == before
