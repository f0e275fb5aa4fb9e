"""Shifts as drills use them, against the local cloud's ARC; and requests by zone as CloudWatch tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from quartermaster.cli.zonal import _CloudWatchZones
from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.schema import read_text
from quartermaster.fleet.zonal_shift import ZonalShifts
from tests.local.test_zonal_shift import a_balancer, cloud


@pytest.fixture
def shifts(tmp_path: Path) -> Iterator[ZonalShifts]:
    with cloud(tmp_path) as (world, client):
        world.account = "123456789012"
        arn, elb = a_balancer(client), client("elbv2")
        on = [{"Key": "zonal_shift.config.enabled", "Value": "true"}]
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=on)
        session: Any = SimpleNamespace(client=lambda name, **_: client(name))
        yield ZonalShifts(Cloud("shop", "dev", "local", "eu-west-1", session), {"web": "web"})
        elb.delete_load_balancer(LoadBalancerArn=arn)


def test_a_shift_is_begun_seen_and_ended(shifts: ZonalShifts) -> None:
    assert shifts.managed("web")
    assert shifts.holding("web") is None
    begun = shifts.start("web", "eu-west-1b", 10, "drill")
    held = shifts.holding("web")
    assert held == begun
    assert (begun.zone, begun.why) == ("eu-west-1b", "drill")
    assert begun.until - datetime.now(UTC) <= timedelta(minutes=10)
    with pytest.raises(OpsError, match=r"AWS refused to shift web away from eu-west-1a: .*is active"):
        shifts.start("web", "eu-west-1a", 10, "drill")
    shifts.cancel(begun)
    assert shifts.holding("web") is None
    with pytest.raises(OpsError, match="is CANCELED"):
        shifts.cancel(begun)


def test_on_aws_requests_are_told_by_the_zone_of_the_balancers_nodes() -> None:
    words = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    clients = {name: boto3.client(name, **words) for name in ("elbv2", "cloudwatch")}
    elb, metrics = (Stubber(client) for client in clients.values())
    arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop-prod-web/1234567890abcdef"
    zones = [{"ZoneName": "eu-west-1a"}, {"ZoneName": "eu-west-1b"}]
    elb.add_response(
        "describe_load_balancers",
        {"LoadBalancers": [{"LoadBalancerArn": arn, "AvailabilityZones": zones}]},
        {"Names": ["shop-prod-web"]},
    )
    for zone, counts in (("eu-west-1a", (3.0, 4.0)), ("eu-west-1b", ())):
        by = [
            {"Name": "LoadBalancer", "Value": "app/shop-prod-web/1234567890abcdef"},
            {"Name": "AvailabilityZone", "Value": zone},
        ]
        asked = {
            "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": by, "StartTime": ANY,
            "EndTime": ANY, "Period": 60, "Statistics": ["Sum"],
        }  # fmt: skip
        metrics.add_response("get_metric_statistics", {"Datapoints": [{"Sum": one} for one in counts]}, asked)
    fleet = read_text("fleet: shop\nclusters: {web: {balancer: {}}}\n").fleet
    session: Any = SimpleNamespace(cloud=SimpleNamespace(client=clients.__getitem__), fleet=fleet, stack="prod")
    with elb, metrics:
        assert _CloudWatchZones(session).zones("web") == {"eu-west-1a": 7, "eu-west-1b": 0}
