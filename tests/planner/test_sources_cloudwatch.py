"""CloudWatch: within its limits, page by page, and against moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.schema import load_fleet
from quartermaster.planner.sources import Query, Stretch
from quartermaster.planner.sources.cloudwatch import CloudWatch, Metric, client
from quartermaster.planner.sources.of_cluster import cloudwatch_queries
from quartermaster.planner.store import load
from quartermaster.planner.sync import sync

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
US = 1_000_000


def query(number: int, stat: str = "Sum") -> Query:
    metric = Metric("AWS/ApplicationELB", "RequestCount", stat, {"LoadBalancer": f"app/{number}/0"})
    return Query(f"s{number}", "requests/s", metric.origin, spec=metric)


def stretch(points: int, seconds: int = 60) -> Stretch:
    start = round(NOW.timestamp()) * US
    return Stretch(start, start + points * seconds * US, seconds)


class Strict:
    """As CloudWatch: refuses what is over its limits, gives pages, the first of them empty."""

    def __init__(self, page: int = 100_800) -> None:
        self.page, self.calls, self.status = page, 0, "Complete"

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        queries = asked["MetricDataQueries"]
        seconds = queries[0]["MetricStat"]["Period"]
        points = round((asked["EndTime"] - asked["StartTime"]).total_seconds()) // seconds
        assert len(queries) <= 500
        assert len(queries) * points <= 100_800
        self.calls += "NextToken" not in asked
        rows = [(q["Id"], i) for q in queries for i in range(points)]
        first = int(asked.get("NextToken", -1))
        mine = rows[first : first + self.page] if first >= 0 else []
        results = {}
        for id_, i in mine:
            entry = results.setdefault(id_, {"Id": id_, "Timestamps": [], "Values": [], "StatusCode": self.status})
            entry["Timestamps"].append(asked["StartTime"] + timedelta(seconds=i * seconds))
            entry["Values"].append(float(seconds * int(id_[1:])))
        after = max(first, 0) + len(mine)
        return {"MetricDataResults": list(results.values()), **({"NextToken": str(after)} if after < len(rows) else {})}


@pytest.mark.parametrize(
    ("series", "points", "calls"), [(1, 21_600, 1), (501, 60, 2), (600, 400, 2 + 1), (8, 30_000, 3)]
)
def test_calls_are_as_few_as_the_limits_allow(series: int, points: int, calls: int) -> None:
    strict = Strict()
    answers = list(CloudWatch(strict).read([(query(i), stretch(points)) for i in range(series)]))
    assert strict.calls == calls
    assert [len(a.readings) for a in answers] == [points] * series


def test_all_pages_are_read_also_after_an_empty_one() -> None:
    answers = list(CloudWatch(Strict(page=7)).read([(query(i), stretch(50)) for i in range(3)]))
    assert [len(a.readings) for a in answers] == [50, 50, 50]
    assert [set(a.readings.values) for a in answers] == [{0.0}, {1.0}, {2.0}]


@pytest.mark.parametrize("seconds", [60, 300, 3600])
def test_a_sum_is_the_same_demand_per_second_at_every_resolution(seconds: int) -> None:
    answers = list(CloudWatch(Strict()).read([(query(i), stretch(5, seconds)) for i in range(5)]))
    assert answers[4].readings.values.tolist() == [4.0] * 5
    assert answers[4].readings.seconds.tolist() == [seconds] * 5, "so that the Sum can be had again"


def test_an_average_is_left_as_it_is() -> None:
    (_, answer) = CloudWatch(Strict()).read([(query(i, "Average"), stretch(2)) for i in range(2)])
    assert answer.readings.values.tolist() == [60.0, 60.0]


def test_what_is_forbidden_is_named() -> None:
    strict = Strict()
    strict.status = "Forbidden"
    with pytest.raises(OpsError, match="s0") as caught:
        list(CloudWatch(strict).read([(query(0), stretch(2))]))
    assert "cloudwatch:GetMetricData" in caught.value.remedy


def test_an_error_of_the_api_is_translated() -> None:
    class Down:
        def get_metric_data(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalServiceFault", "Message": "sorry"}}, "GetMetricData")

    with pytest.raises(OpsError, match="sorry"):
        list(CloudWatch(Down()).read([(query(0), stretch(2))]))


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A balancer and a target group of the cluster web."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        cloud = Cloud("shop", "dev", "local", "eu-west-1", boto3.Session(region_name="eu-west-1"))
        ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"eu-west-1{z}")["Subnet"][
                "SubnetId"
            ]
            for i, z in enumerate("ab")
        ]
        elb.create_load_balancer(Name="shop-dev-web", Subnets=subnets, Type="application")
        elb.create_target_group(Name="shop-dev-web", Protocol="HTTP", Port=80, VpcId=vpc)
        yield cloud


FLEET = "fleet: shop\nregion: eu-west-1\nclusters:\n  web: {balancer: {}}\n  jobs: {}\n"


def test_each_cluster_has_its_demand_and_what_tells_how_it_was_met(shop: Cloud, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    queries, unknown = cloudwatch_queries(load_fleet(tmp_path / "fleet.yaml"), shop)
    assert [q.series for q in queries] == [
        "web", "web:utilisation", "web:instances", "web:errors", "web:rejected", "web:surge", "web:latency",
    ]  # fmt: skip
    assert queries[0].spec.dimensions["LoadBalancer"].startswith("app/shop-dev-web/")
    assert queries[0].silence_is_zero
    assert queries[1].spec.dimensions == {"AutoScalingGroupName": "shop-dev-web"}
    assert queries[2].spec.dimensions["TargetGroup"].startswith("targetgroup/shop-dev-web/")
    assert not unknown, "a cluster without balancer and without metrics.demand is not asked for"


def test_a_cluster_that_is_not_there_is_named(shop: Cloud, tmp_path: Path) -> None:
    text = FLEET + "metrics: {demand: {jobs: {namespace: Jobs, name: Started}}}\n"
    (tmp_path / "fleet.yaml").write_text(text.replace("web:", "api:"))
    queries, unknown = cloudwatch_queries(load_fleet(tmp_path / "fleet.yaml"), shop)
    assert queries == ()
    assert [(u.cluster, u.why) for u in unknown] == [
        ("jobs", "Jobs Started has dimensions that this cluster does not have"),
        ("api", "its balancer is not there"),
    ]


def test_history_is_synced_from_the_api(shop: Cloud, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    queries, _ = cloudwatch_queries(load_fleet(tmp_path / "fleet.yaml"), shop)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    dimensions = [{"Name": n, "Value": v} for n, v in queries[0].spec.dimensions.items()]
    rows = [
        {
            "MetricName": "RequestCount",
            "Dimensions": dimensions,
            "Timestamp": now - timedelta(minutes=m),
            "Value": 120.0,
        }
        for m in range(1, 181)
        if not 50 <= m < 60
    ]
    api = client(shop)
    for first in range(0, len(rows), 100):
        api.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=rows[first : first + 100])
    done = list(sync(tmp_path / "store", CloudWatch(api), queries, now, since=now - timedelta(hours=6)))
    assert {s.series: s.added for s in done if s.added} == {"web": 180}
    frame = load(tmp_path / "store", "web")
    assert frame["value"].value_counts().to_dict() == {2.0: 170, 0.0: 10}, "120 a minute are 2 a second; silence is 0"
    assert set(frame["unit"]) == {"requests/s"}
    assert frame["timestamp"].iloc[-1] == now - timedelta(minutes=1)
    again = list(sync(tmp_path / "store", CloudWatch(api), queries, now))
    assert {(s.added, s.changed) for s in again} == {(0, 0)}
