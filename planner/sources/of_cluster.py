"""Which CloudWatch metrics tell of which cluster: its demand, and beside it what shows how well it was met.

The companions of the demand ``web`` are stored as ``web:NAME``. They are what censored demand (``errors``,
``rejected``) and unit capacity (``utilisation``, ``instances``, ``latency``) are learned from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.names import physical
from quartermaster.planner.sources import Query
from quartermaster.planner.sources.cloudwatch import Metric

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.planning import DemandMetric

__all__ = ["Unknown", "cloudwatch_queries", "demanded"]

_LIMIT = 32
"""Of names of balancers and target groups."""
_APPLICATION, _NETWORK = "AWS/ApplicationELB", "AWS/NetworkELB"
_UNITS = {"RequestCount": "requests", "NewFlowCount": "connections", "ActiveFlowCount": "connections"}
_SILENT = (_APPLICATION, _NETWORK)
"""Balancers report only while requests flow: a minute without a point is one without a request.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html"""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A cluster whose metrics cannot be asked for."""

    cluster: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Place:
    """The dimensions of what a cluster consists of; empty where there is none."""

    balancer: Mapping[str, str]
    targets: Mapping[str, str]
    group: Mapping[str, str]
    shared: bool
    """Whether other clusters stand behind the same balancer."""


def demanded(fleet: Fleet) -> Mapping[str, DemandMetric]:
    """The demand metric of each cluster that has one: as declared, or the requests or connections of its balancer."""
    from quartermaster.fleet.schema.planning import DemandMetric

    found = dict(fleet.metrics.demand)
    if fleet.metrics.source.kind == "cloudwatch":
        for name in fleet.clusters:
            behind = fleet.balancer_of(name)
            if name not in found and behind is not None:
                application = behind[1].kind == "application"
                found[name] = DemandMetric() if application else DemandMetric(namespace=_NETWORK, name="NewFlowCount")
    return found


def cloudwatch_queries(fleet: Fleet, cloud: Cloud) -> tuple[tuple[Query, ...], tuple[Unknown, ...]]:
    """What to ask for, demand before its companions, and the clusters that cannot be asked for. Read-only."""
    queries: list[Query] = []
    unknown: list[Unknown] = []
    for cluster, demand in demanded(fleet).items():
        place = _place(fleet, cloud, cluster)
        of = demand.dimensions or _dimensions(demand.namespace, place)
        if not of:
            why = f"{demand.namespace} {demand.name} has dimensions that this cluster does not have"
            if demand.namespace in _SILENT and fleet.balancer_of(cluster) is not None:
                why = "its balancer is not there"
            remedy = f"ops provision up, or metrics.demand.{cluster}.dimensions in fleet.yaml"
            unknown.append(Unknown(cluster, why, remedy))
            continue
        metric = Metric(demand.namespace, demand.name, demand.stat, of)
        what = _UNITS.get(demand.name, "count")
        name = demand.series or cluster
        queries.append(_query(name, metric, f"{what}/s" if metric.per_second else "unknown"))
        queries += _companions(name, place)
    return tuple(queries), tuple(unknown)


def _companions(name: str, place: _Place) -> Iterator[Query]:
    yield _query(f"{name}:utilisation", Metric("AWS/EC2", "CPUUtilization", "Average", place.group), "percent")
    if not place.balancer:
        return
    application = "app/" in place.balancer["LoadBalancer"]
    namespace = _APPLICATION if application else _NETWORK
    healthy = Metric(namespace, "HealthyHostCount", "Average", {**place.balancer, **place.targets})
    yield _query(f"{name}:instances", healthy, "instances")
    if not application:
        yield _query(f"{name}:rejected", Metric(namespace, "RejectedFlowCount", "Sum", place.balancer), "connections/s")
        return
    behind = {**place.balancer, **place.targets}
    yield _query(f"{name}:errors", Metric(namespace, "HTTPCode_Target_5XX_Count", "Sum", behind), "requests/s")
    # Refused for want of a host, before RequestCount counts them: demand that was there and is not in it.
    yield _query(f"{name}:rejected", Metric(namespace, "HTTPCode_ELB_5XX_Count", "Sum", place.balancer), "requests/s")
    surge = Metric(namespace, "RejectedConnectionCount", "Sum", place.balancer)
    yield _query(f"{name}:surge", surge, "connections/s")
    yield _query(f"{name}:latency", Metric(namespace, "TargetResponseTime", "Average", behind), "seconds")


def _query(series: str, metric: Metric, unit: str) -> Query:
    silent = metric.per_second and metric.namespace in _SILENT
    return Query(series, unit, metric.origin, silence_is_zero=silent, spec=metric)


def _dimensions(namespace: str, place: _Place) -> Mapping[str, str]:
    if namespace in _SILENT:
        return {**place.balancer, **place.targets} if place.shared and place.balancer else place.balancer
    if namespace in ("AWS/EC2", "AWS/AutoScaling"):
        return place.group
    return {}


def _place(fleet: Fleet, cloud: Cloud, cluster: str) -> _Place:
    adopted = {(item.type.rsplit(":", 1)[1], item.name): item.id for item in fleet.adopted}
    group = {"AutoScalingGroupName": adopted.get(("Group", cluster), physical(cloud.fleet, cloud.stack, cluster))}
    behind = fleet.balancer_of(cluster)
    if behind is None:
        return _Place({}, {}, group, shared=False)
    elb = cloud.client("elbv2")
    owner = physical(cloud.fleet, cloud.stack, behind[0], limit=_LIMIT)
    own = physical(cloud.fleet, cloud.stack, cluster, limit=_LIMIT)
    none = elb.exceptions
    balancer = adopted.get(("LoadBalancer", behind[0])) or _arn(
        elb.describe_load_balancers, "LoadBalancer", none.LoadBalancerNotFoundException, owner
    )
    targets = adopted.get(("TargetGroup", cluster)) or _arn(
        elb.describe_target_groups, "TargetGroup", none.TargetGroupNotFoundException, own
    )
    return _Place(
        {"LoadBalancer": balancer.split("loadbalancer/", 1)[1]} if balancer else {},
        {"TargetGroup": targets.rsplit(":", 1)[1]} if targets else {},
        group,
        shared=bool(behind[1].weights),
    )


def _arn(describe: Any, what: str, missing: type[Exception], name: str) -> str:
    """Of the one with that name; empty for none."""
    try:
        return str(describe(Names=[name])[f"{what}s"][0][f"{what}Arn"])
    except missing:
        return ""
