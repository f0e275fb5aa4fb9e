"""What raises a cluster above its floor: target tracking, AWS's predictive scaling, warm hosts."""

from __future__ import annotations

import math
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Cluster as Declared
from quartermaster.fleet.schema.planning import Capacity
from quartermaster.infra.balancer import Balancer

__all__ = ["policies", "target", "warm_pool", "warmup_seconds"]

_LAUNCH_SECONDS = 35
"""From RunInstances to the end of boot, for hosts that no launch hook waits for: rows launch_pending and launch_boot of
local/timing.yaml, as measured on AWS."""
_REGISTER_SECONDS = 5
_METRIC_SECONDS = 60
"""CloudWatch's period of the group's metrics: a host counts for nothing before its first whole one."""


def warmup_seconds(declared: Declared, *, hook: bool) -> int:
    """From joining the group until a host's own load says something of its need, in whole periods of the metric. Pure.

    The launch hook has waited for boot and converge; left are registration, the checks that let it serve, and its
    slow start. https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
    """
    seconds = 0 if hook else _LAUNCH_SECONDS
    if (balancer := declared.balancer) is not None:
        seconds += _REGISTER_SECONDS + balancer.healthy_after * balancer.check_seconds + balancer.slow_start_seconds
    return _METRIC_SECONDS * (1 + math.ceil(seconds / _METRIC_SECONDS)) if seconds else _METRIC_SECONDS


def target(declared: Declared, capacity: Capacity) -> float:
    """Percent of CPU, or requests per host and minute, that the group is kept at. Pure.

    A unit is the demand per second that a host carries at target utilisation, so utilisation is in it already. The
    schema has refused requests without a target where the unit is still to be learned.
    """
    scaling = declared.scaling
    if scaling.target is not None:
        return scaling.target
    held = scaling.planned_utilisation or capacity.target_utilisation
    if scaling.track == "requests":
        assert not isinstance(capacity.unit, str)
        return round(capacity.unit * 60 * held / capacity.target_utilisation, 1)
    return round(held * 100, 1)


def warm_pool(declared: Declared, *, force: bool) -> dict[str, Any]:
    """The group's arguments for stopped hosts; none without them. Pure.

    Only with both bounds equal is the pool of a fixed size; else it is whatever the group lacks to its max:
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html
    """
    count = declared.scaling.warm_hosts
    if not count:
        return {}
    pool = {"pool_state": "Stopped", "min_size": count, "max_group_prepared_capacity": count}
    return {"warm_pool": pool, "force_delete_warm_pool": force}


def policies(
    name: str,
    declared: Declared,
    capacity: Capacity,
    *,
    group: aws.autoscaling.Group,
    balancer: Balancer | None,
    warmup: int,
    opts: pulumi.ResourceOptions,
) -> None:
    """Declare the group's scaling policies. Floors are its ``min``, so none of these goes below the plan."""
    scaling = declared.scaling
    metric = "requests" if scaling.track == "requests" else "cpu"
    value = target(declared, capacity)
    label = _label(balancer) if metric == "requests" and balancer is not None else None
    if scaling.track != "none":
        kind = {"cpu": "ASGAverageCPUUtilization", "requests": "ALBRequestCountPerTarget"}[metric]
        aws.autoscaling.Policy(
            f"{name}-{metric}",
            name=f"{name}-{metric}",
            autoscaling_group_name=group.name,
            policy_type="TargetTrackingScaling",
            estimated_instance_warmup=warmup,
            target_tracking_configuration={
                "target_value": value,
                "predefined_metric_specification": _without_none(predefined_metric_type=kind, resource_label=label),
            },
            opts=opts,
        )
    if scaling.predictive != "off":
        kind = {"cpu": "ASGCPUUtilization", "requests": "ALBRequestCount"}[metric]
        aws.autoscaling.Policy(
            f"{name}-predictive",
            name=f"{name}-predictive",
            autoscaling_group_name=group.name,
            policy_type="PredictiveScaling",
            predictive_scaling_configuration={
                "mode": "ForecastAndScale" if scaling.predictive == "forecast_and_scale" else "ForecastOnly",
                # The fleet's max is a budget: a forecast must not raise it.
                "max_capacity_breach_behavior": "HonorMaxCapacity",
                "metric_specification": {
                    "target_value": value,
                    "predefined_metric_pair_specification": _without_none(
                        predefined_metric_type=kind, resource_label=label
                    ),
                },
            },
            opts=opts,
        )


def _label(balancer: Balancer) -> pulumi.Output[str]:
    """Which requests: those of this balancer to this target group."""
    return pulumi.Output.concat(balancer.balancer.arn_suffix, "/", balancer.targets.arn_suffix)


def _without_none(**values: Any) -> Any:
    return {key: value for key, value in values.items() if value is not None}
