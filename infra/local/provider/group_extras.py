"""What a group has beside its size and template: metrics, stopped hosts, the replacement of its hosts."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, State
from quartermaster.infra.local.provider.spelling import camel, pascal

__all__ = ["collect_metrics", "extras", "keep_warm", "refresh"]


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


def refresh(api: Api, name: str, given: Given) -> None:
    """Start replacing the group's hosts, in place of a replacement under way. Does not wait for its end.

    As the real provider, which names the desired configuration where a rollback is wanted.
    """
    client, declared = api.client("autoscaling"), given["instanceRefresh"]
    preferences = _preferences(declared.get("preferences") or {})
    desired: dict[str, Any] = {}
    if preferences.get("AutoRollback"):
        template = given["launchTemplate"]
        launched = {"LaunchTemplateId": template["id"], "Version": str(template["version"])}
        desired = {"DesiredConfiguration": {"LaunchTemplate": launched}}
    if _under_way(client, name):
        client.cancel_instance_refresh(AutoScalingGroupName=name)
        api.wait(f"the replacement of {name}'s hosts is cancelled", lambda: not _under_way(client, name))
    client.start_instance_refresh(
        AutoScalingGroupName=name, Strategy=declared["strategy"], Preferences=preferences, **desired
    )


def _preferences(given: Given) -> dict[str, Any]:
    found: dict[str, Any] = pascal(dict(given))
    for name in ("InstanceWarmup", "CheckpointDelay"):  # Pulumi writes them as text
        if name in found:
            found[name] = int(found[name])
    return found


def _under_way(client: Any, name: str) -> bool:
    found = client.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
    busy = ("Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking")
    return any(item["Status"] in busy for item in found)
