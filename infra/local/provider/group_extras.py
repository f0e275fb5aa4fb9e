"""What a group has beside its size and template: metrics, stopped hosts."""

from __future__ import annotations

from quartermaster.infra.local.provider.kind import Api, Given, State
from quartermaster.infra.local.provider.spelling import camel, pascal

__all__ = ["collect_metrics", "extras", "keep_warm"]


def extras(found: Given) -> State:
    """What DescribeAutoScalingGroups says of them."""
    state: State = {"enabledMetrics": [item["Metric"] for item in found.get("EnabledMetrics") or []]}
    if found.get("EnabledMetrics"):
        state["metricsGranularity"] = found["EnabledMetrics"][0]["Granularity"]
    if pool := found.get("WarmPoolConfiguration"):
        state["warmPool"] = camel(pool)
    return state


def collect_metrics(api: Api, name: str, old: Given, new: Given) -> None:
    """Bring the group's own metrics from old to new."""
    client = api.client("autoscaling")
    before, after = set(old.get("enabledMetrics") or []), set(new.get("enabledMetrics") or [])
    if gone := sorted(before - after):
        client.disable_metrics_collection(AutoScalingGroupName=name, Metrics=gone)
    if after - before:
        granularity = new.get("metricsGranularity", "1Minute")
        client.enable_metrics_collection(AutoScalingGroupName=name, Granularity=granularity, Metrics=sorted(after))


def keep_warm(api: Api, name: str, old: Given, new: Given) -> None:
    """Bring the warm pool from old to new; without one in ``new`` it is deleted."""
    client, pool = api.client("autoscaling"), new.get("warmPool")
    if pool and pool != old.get("warmPool"):
        client.put_warm_pool(AutoScalingGroupName=name, **pascal(pool))
    elif old.get("warmPool") and not pool:
        force = bool(old.get("forceDelete") or old.get("forceDeleteWarmPool"))
        client.delete_warm_pool(AutoScalingGroupName=name, ForceDelete=force)
