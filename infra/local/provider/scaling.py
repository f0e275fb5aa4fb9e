"""Auto-scaling groups."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.provider.group_extras import collect_metrics, extras, keep_warm
from quartermaster.infra.local.provider.group_limits import refuse_group
from quartermaster.infra.local.provider.hooks import hook_settings
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.launch_rights import check_launch
from quartermaster.infra.local.provider.spelling import asked

__all__ = ["KINDS"]


_SETTINGS = {
    "healthCheckType": "HealthCheckType",
    "healthCheckGracePeriod": "HealthCheckGracePeriod",
    "defaultCooldown": "DefaultCooldown",
    "defaultInstanceWarmup": "DefaultInstanceWarmup",
    "terminationPolicies": "TerminationPolicies",
    "capacityRebalance": "CapacityRebalance",
}


def _group(api: Api, name: str) -> dict[str, Any] | None:
    found = api.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    groups: list[dict[str, Any]] = found["AutoScalingGroups"]
    return groups[0] if groups else None


def _settings(given: Given) -> dict[str, Any]:
    """What both creation and update take."""
    template = given["launchTemplate"]
    return {
        "LaunchTemplate": {"LaunchTemplateId": template["id"], "Version": str(template.get("version", "$Default"))},
        "VPCZoneIdentifier": ",".join(given["vpcZoneIdentifiers"]),
        **asked(_SETTINGS, given),
    }


def _group_tags(name: str, given: Given) -> list[dict[str, Any]]:
    return [
        {
            "ResourceId": name,
            "ResourceType": "auto-scaling-group",
            "Key": tag["key"],
            "Value": tag["value"],
            "PropagateAtLaunch": tag["propagateAtLaunch"],
        }
        for tag in given.get("tags") or []
    ]


def _create_group(api: Api, given: Given) -> str:
    """As the real provider: first empty, then its hooks, then its size, so that no host misses a hook."""
    check_launch(api, given["launchTemplate"])
    client, name = api.client("autoscaling"), given["name"]
    hooks = given.get("initialLifecycleHooks") or []
    size = {"MinSize": given["minSize"], "MaxSize": given["maxSize"]}
    client.create_auto_scaling_group(
        AutoScalingGroupName=name,
        **({"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0} if hooks else size),
        TargetGroupARNs=given.get("targetGroupArns", []),
        Tags=_group_tags(name, given),
        **_settings(given),
    )
    for hook in hooks:
        client.put_lifecycle_hook(AutoScalingGroupName=name, **hook_settings(hook))
    if hooks:
        desired = given.get("desiredCapacity", given["minSize"])
        client.update_auto_scaling_group(AutoScalingGroupName=name, **size, DesiredCapacity=desired)
    _await_capacity(api, str(name), given)
    collect_metrics(api, str(name), {}, given)
    keep_warm(api, str(name), {}, given)
    return str(name)


def _await_capacity(api: Api, name: str, given: Given) -> None:
    """Wait until as many hosts are in service as the group wants, unless the timeout is zero."""
    if given.get("waitForCapacityTimeout", "10m") in ("0", "0s"):
        return

    def enough() -> bool:
        group = _group(api, name)
        if group is None:
            raise LookupError(f"auto-scaling group {name} went away while its hosts started")
        serving = [item for item in group["Instances"] if item["LifecycleState"] == "InService"]
        return len(serving) >= int(group["DesiredCapacity"])

    api.wait(f"the hosts of {name} are in service", enough)


def _read_group(api: Api, id_: str, given: Given) -> State | None:
    found = _group(api, id_)
    if found is None or found.get("Status"):
        return None
    template = found.get("LaunchTemplate") or {}
    return {
        "arn": found["AutoScalingGroupARN"],
        "name": found["AutoScalingGroupName"],
        "minSize": found["MinSize"],
        "maxSize": found["MaxSize"],
        "healthCheckType": found["HealthCheckType"],
        "healthCheckGracePeriod": found.get("HealthCheckGracePeriod", 0),
        "defaultCooldown": found["DefaultCooldown"],
        "capacityRebalance": bool(found.get("CapacityRebalance")),
        "terminationPolicies": found.get("TerminationPolicies", []),
        **({"defaultInstanceWarmup": found["DefaultInstanceWarmup"]} if "DefaultInstanceWarmup" in found else {}),
        **extras(found),
        "vpcZoneIdentifiers": [item for item in found.get("VPCZoneIdentifier", "").split(",") if item],
        "targetGroupArns": found.get("TargetGroupARNs", []),
        "launchTemplate": {"id": template.get("LaunchTemplateId", ""), "version": str(template.get("Version", ""))},
        "tags": [
            {"key": tag["Key"], "value": tag["Value"], "propagateAtLaunch": tag["PropagateAtLaunch"]}
            for tag in found.get("Tags", [])
        ],
    }


def _update_group(api: Api, id_: str, old: Given, new: Given) -> None:
    client = api.client("autoscaling")
    if new["launchTemplate"] != old.get("launchTemplate"):
        check_launch(api, new["launchTemplate"])
    client.update_auto_scaling_group(
        AutoScalingGroupName=id_, MinSize=new["minSize"], MaxSize=new["maxSize"], **_settings(new)
    )
    before, after = _group_tags(id_, old), _group_tags(id_, new)
    gone = [tag for tag in before if tag["Key"] not in {item["Key"] for item in after}]
    if gone:
        client.delete_tags(Tags=gone)
    if after != before:
        client.create_or_update_tags(Tags=after)
    was, now = set(old.get("targetGroupArns") or []), set(new.get("targetGroupArns") or [])
    if now - was:
        client.attach_load_balancer_target_groups(AutoScalingGroupName=id_, TargetGroupARNs=sorted(now - was))
    if was - now:
        client.detach_load_balancer_target_groups(AutoScalingGroupName=id_, TargetGroupARNs=sorted(was - now))
    if new["minSize"] > old.get("minSize", 0):
        _await_capacity(api, id_, new)
    collect_metrics(api, id_, old, new)
    keep_warm(api, id_, old, new)


def _delete_group(api: Api, id_: str, state: Given) -> None:
    client, force = api.client("autoscaling"), bool(state.get("forceDelete"))
    group = _group(api, id_)
    if group is None:
        return
    ids = [item["InstanceId"] for item in group["Instances"]]
    keep_warm(api, id_, state, {})
    if not force:
        client.update_auto_scaling_group(AutoScalingGroupName=id_, MinSize=0, MaxSize=0, DesiredCapacity=0)
        api.wait(f"the hosts of {id_} are gone", lambda: not (_group(api, id_) or {}).get("Instances"))
    api.patiently(
        lambda: client.delete_auto_scaling_group(AutoScalingGroupName=id_, ForceDelete=force),
        ("ScalingActivityInProgress", "ResourceInUse"),
    )
    api.wait(f"{id_} is deleted", lambda: _group(api, id_) is None)
    # Security groups and subnets cannot go before the hosts in them have.
    api.wait(f"the hosts of {id_} are terminated", lambda: _all_terminated(api, ids))


def _all_terminated(api: Api, ids: list[str]) -> bool:
    if not ids:
        return True
    answer = api.client("ec2").describe_instances(Filters=[{"Name": "instance-id", "Values": ids}])
    states = {item["State"]["Name"] for r in answer["Reservations"] for item in r["Instances"]}
    return states <= {"terminated"}


KINDS = (
    Kind(
        "aws:autoscaling/group:Group",
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        fixed="name",
        live="minSize maxSize desiredCapacity launchTemplate vpcZoneIdentifiers targetGroupArns healthCheckType "
        "healthCheckGracePeriod defaultCooldown defaultInstanceWarmup terminationPolicies tags forceDelete "
        "waitForCapacityTimeout initialLifecycleHooks capacityRebalance enabledMetrics metricsGranularity warmPool "
        "forceDeleteWarmPool",
        needs="name minSize maxSize launchTemplate vpcZoneIdentifiers",
        name="name",
        limits={"name": Limit(r"[^:]{1,255}", "up to 255 characters, none of them a colon")},
        refuse=refuse_group,
    ),
)
