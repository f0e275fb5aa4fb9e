"""What CloudWatch is asked for the requests of a cluster, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.stub import ANY, Stubber

from quartermaster.cli.counters import _CloudWatchCounter
from quartermaster.fleet.hosts import Requests
from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks import patch_gate

FLEET = Fleet.model_validate({"fleet": "shop", "clusters": {"web": {"balancer": {}}}})
ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop-prod-web/1234567890abcdef"


class Cloud:
    """Clients that answer what they were told, and refuse everything else."""

    stack = "prod"

    def __init__(self, *latencies: dict[str, Any]) -> None:
        words = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self._clients = {name: boto3.client(name, **words) for name in ("elbv2", "cloudwatch")}
        balancers, metrics = (Stubber(client) for client in self._clients.values())
        balancers.add_response("describe_load_balancers", {"LoadBalancers": [{"LoadBalancerArn": ARN}]})
        for count in (2.0, 3.0, 500.0):
            metrics.add_response("get_metric_statistics", {"Datapoints": [{"Sum": count}]})
        asked = {
            **{"Namespace": "AWS/ApplicationELB", "MetricName": "TargetResponseTime", "ExtendedStatistics": ["p99"]},
            **{"Dimensions": ANY, "StartTime": ANY, "EndTime": ANY, "Period": 300},
        }
        metrics.add_response("get_metric_statistics", {"Datapoints": list(latencies)}, asked)
        for stubber in (balancers, metrics):
            stubber.activate()

    def client(self, name: str) -> Any:
        return self._clients[name]


def p99(minutes: int, seconds: float) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 2, 0, tzinfo=UTC) + timedelta(minutes=minutes)
    return {"Timestamp": at, "ExtendedStatistics": {"p99": seconds}}


def test_requests_and_the_newest_p99_are_read_at_the_balancer() -> None:
    counter = _CloudWatchCounter(Cloud(p99(5, 0.25), p99(0, 0.1)), FLEET)  # type: ignore[arg-type]
    assert counter.read("web") == Requests(500, 5, 250.0)


def test_no_answers_of_late_are_no_response_time_of_zero() -> None:
    assert _CloudWatchCounter(Cloud(), FLEET).read("web").latency_ms is None  # type: ignore[arg-type]


def test_counts_that_aws_refuses_are_none_and_no_fault_of_ours() -> None:
    elb = boto3.client("elbv2", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    refusing: Any = SimpleNamespace(stack="prod", client=lambda _: elb)
    with Stubber(elb) as stubber:
        stubber.add_client_error("describe_load_balancers", "Throttling", "Rate exceeded")
        assert patch_gate.read(_CloudWatchCounter(refusing, FLEET), "web") is None
