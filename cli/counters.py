"""Which balancer counters a stack has: HAProxy's on the local cloud, CloudWatch's on aws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from quartermaster.fleet.hosts import RequestCounter, Requests

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.workspace import Workspace

__all__ = ["counter"]


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
        name = _balancer_name(self._cloud, self._fleet, cluster)
        balancers = self._cloud.client("elbv2").describe_load_balancers(Names=[name])["LoadBalancers"]
        dimension = balancers[0]["LoadBalancerArn"].split("loadbalancer/", 1)[1]
        failed = sum(self._sum(dimension, m) for m in ("HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count"))
        return Requests(self._sum(dimension, "RequestCount"), failed, self._latency_ms(dimension))

    def _latency_ms(self, dimension: str) -> float | None:
        """The p99 of the targets' response times in the last five minutes that had requests."""
        now = datetime.now(UTC)
        answer = self._cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName="TargetResponseTime",
            Dimensions=[{"Name": "LoadBalancer", "Value": dimension}],
            StartTime=now - _LATELY,
            EndTime=now,
            Period=int(_LATELY.total_seconds()),
            ExtendedStatistics=["p99"],
        )
        points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
        return float(points[-1]["ExtendedStatistics"]["p99"]) * 1000 if points else None

    def _sum(self, dimension: str, metric: str) -> int:
        answer = self._cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName=metric,
            Dimensions=[{"Name": "LoadBalancer", "Value": dimension}],
            StartTime=self._since,
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )
        return int(sum(point["Sum"] for point in answer["Datapoints"]))
