"""Which balancer counters a stack has: HAProxy's on the local cloud, CloudWatch's on aws."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.aws import told
from quartermaster.fleet.hosts import RequestCounter, Requests

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.workspace import Workspace

__all__ = ["counter", "described", "summed"]


def counter(ops: Session) -> RequestCounter:
    """The counter of the session's stack."""
    if ops.cloud.target == "local":
        return _LocalCounter(ops.workspace, ops.cloud, ops.fleet)
    return _CloudWatchCounter(ops.cloud, ops.fleet)


def _balancer_name(cloud: Cloud, fleet: Fleet, cluster: str) -> str:
    """Of the balancer that the cluster's hosts stand behind."""
    behind = fleet.balancer_of(cluster)
    return fleet.balancer_name(cloud.stack, behind[0] if behind is not None else cluster)


_LATELY = timedelta(minutes=5)


class _LocalCounter:
    def __init__(self, workspace: Workspace, cloud: Cloud, fleet: Fleet) -> None:
        self._workspace = workspace
        self._cloud = cloud
        self._fleet = fleet

    def read(self, cluster: str) -> Requests:
        from quartermaster.infra.local.client import requests

        return requests(self._workspace, _balancer_name(self._cloud, self._fleet, cluster))


class _CloudWatchCounter:
    """RequestCount and 5xx of balancer and targets, summed since this object was made; what targets took of late.

    CloudWatch shows a minute late; the patch gate waits for it.
    """

    def __init__(self, cloud: Cloud, fleet: Fleet) -> None:
        self._cloud = cloud
        self._fleet = fleet
        self._since = datetime.now(UTC).replace(second=0, microsecond=0)

    def read(self, cluster: str) -> Requests:
        balancer, _ = described(self._cloud, _balancer_name(self._cloud, self._fleet, cluster))
        failed = sum(self._sum(balancer, m) for m in ("HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count"))
        return Requests(self._sum(balancer, "RequestCount"), failed, self._latency_ms(balancer))

    def _latency_ms(self, balancer: str) -> float | None:
        """The p99 of the targets' response times in the last five minutes that had requests."""
        now = datetime.now(UTC)
        asked = {"StartTime": now - _LATELY, "EndTime": now, "Period": int(_LATELY.total_seconds())}
        found = _points(
            self._cloud, "TargetResponseTime", {"LoadBalancer": balancer}, {**asked, "ExtendedStatistics": ["p99"]}
        )
        points = sorted(found, key=lambda point: point["Timestamp"])
        return float(points[-1]["ExtendedStatistics"]["p99"]) * 1000 if points else None

    def _sum(self, balancer: str, metric: str) -> int:
        return summed(self._cloud, metric, {"LoadBalancer": balancer}, self._since)


def described(cloud: Cloud, name: str) -> tuple[str, list[str]]:
    """What CloudWatch calls the balancer of that name, and the zones that it is in. Read-only. Raises OpsError."""
    balancer = told(lambda: cloud.client("elbv2").describe_load_balancers(Names=[name]))["LoadBalancers"][0]
    zones = [zone["ZoneName"] for zone in balancer.get("AvailabilityZones", [])]
    return balancer["LoadBalancerArn"].split("loadbalancer/", 1)[1], zones


def summed(cloud: Cloud, metric: str, dimensions: Mapping[str, str], since: datetime) -> int:
    """A balancer's metric, from a minute on until now. Read-only. Raises OpsError."""
    asked = {"StartTime": since, "EndTime": datetime.now(UTC) + timedelta(minutes=1), "Period": 60}
    return int(sum(point["Sum"] for point in _points(cloud, metric, dimensions, {**asked, "Statistics": ["Sum"]})))


def _points(cloud: Cloud, metric: str, dimensions: Mapping[str, str], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    by = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    client = cloud.client("cloudwatch")
    answer = told(
        lambda: client.get_metric_statistics(Namespace="AWS/ApplicationELB", MetricName=metric, Dimensions=by, **asked)
    )
    points: list[dict[str, Any]] = answer["Datapoints"]
    return points
