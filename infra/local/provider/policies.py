"""Scaling policies of auto-scaling groups: target tracking and predictive scaling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.spelling import asked, camel, pascal

__all__ = ["KINDS"]

_PLAIN = {"policyType": "PolicyType", "estimatedInstanceWarmup": "EstimatedInstanceWarmup", "enabled": "Enabled"}
_TYPES = ("TargetTrackingScaling", "PredictiveScaling")
_PER_BALANCER = ("ALBRequestCountPerTarget", "ALBRequestCount", "ALBTargetGroupRequestCount")
_HOUR = 3600


def _put(api: Api, given: Given) -> str:
    settings = asked(_PLAIN, given)
    if tracking := given.get("targetTrackingConfiguration"):
        settings["TargetTrackingConfiguration"] = pascal(tracking)
    if predictive := given.get("predictiveScalingConfiguration"):
        # The API takes a list of one.
        found = pascal(predictive)
        found["MetricSpecifications"] = [found.pop("MetricSpecification")]
        for name in ("SchedulingBufferTime", "MaxCapacityBuffer"):  # Pulumi writes them as text
            if name in found:
                found[name] = int(found[name])
        settings["PredictiveScalingConfiguration"] = found
    api.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=given["autoscalingGroupName"], PolicyName=given["name"], **settings
    )
    return str(given["name"])


def _read(api: Api, id_: str, given: Given) -> State | None:
    rows = api.client("autoscaling").describe_policies(
        AutoScalingGroupName=given["autoscalingGroupName"], PolicyNames=[id_]
    )["ScalingPolicies"]
    if not rows:
        return None
    found = rows[0]
    state: State = {
        "arn": found["PolicyARN"],
        "name": found["PolicyName"],
        "autoscalingGroupName": found["AutoScalingGroupName"],
        "policyType": found["PolicyType"],
    }
    if found.get("EstimatedInstanceWarmup") is not None:
        state["estimatedInstanceWarmup"] = int(found["EstimatedInstanceWarmup"])
    if tracking := found.get("TargetTrackingConfiguration"):
        state["targetTrackingConfiguration"] = camel(tracking)
    if predictive := camel(found.get("PredictiveScalingConfiguration") or {}):
        predictive["metricSpecification"] = predictive.pop("metricSpecifications")[0]
        state["predictiveScalingConfiguration"] = predictive
    return state


def _delete(api: Api, id_: str, state: Given) -> None:
    api.client("autoscaling").delete_policy(AutoScalingGroupName=state["autoscalingGroupName"], PolicyName=id_)


def _refuse(given: Given) -> Iterator[tuple[str, str]]:
    kind = given.get("policyType")
    if kind not in _TYPES:
        yield "policyType", f"the local cloud does {' and '.join(_TYPES)} only"
    tracking, predictive = given.get("targetTrackingConfiguration"), given.get("predictiveScalingConfiguration")
    if tracking and kind == "PredictiveScaling":
        yield "targetTrackingConfiguration", "a policy of type PredictiveScaling has none"
    elif isinstance(tracking, dict):
        for reason in _refuse_tracking(tracking):
            yield "targetTrackingConfiguration", reason
    if predictive and kind == "TargetTrackingScaling":
        yield "predictiveScalingConfiguration", "a policy of type TargetTrackingScaling has none"
    elif isinstance(predictive, dict):
        for reason in _refuse_predictive(predictive):
            yield "predictiveScalingConfiguration", reason
    if kind == "PredictiveScaling" and given.get("estimatedInstanceWarmup") is not None:
        yield "estimatedInstanceWarmup", "it goes with target tracking and step scaling only"


def _refuse_tracking(tracking: Given) -> Iterator[str]:
    predefined, own = tracking.get("predefinedMetricSpecification"), tracking.get("customizedMetricSpecification")
    if bool(predefined) == bool(own):
        yield "one of predefinedMetricSpecification and customizedMetricSpecification is needed, and not both"
    yield from _label(predefined)
    value = tracking.get("targetValue")
    if isinstance(value, int | float) and value <= 0:
        yield f"a target of {value} is never reached"


def _refuse_predictive(predictive: Given) -> Iterator[str]:
    buffer = predictive.get("schedulingBufferTime")
    if buffer is not None and not 0 <= int(buffer) <= _HOUR:
        yield f"schedulingBufferTime {buffer} is not 0 to {_HOUR} s"
    breach = predictive.get("maxCapacityBreachBehavior", "HonorMaxCapacity")
    if (predictive.get("maxCapacityBuffer") is not None) != (breach == "IncreaseMaxCapacity"):
        yield "maxCapacityBuffer goes with maxCapacityBreachBehavior IncreaseMaxCapacity, and only with it"
    specification = predictive.get("metricSpecification") or {}
    pair = specification.get("predefinedMetricPairSpecification")
    if pair and (
        specification.get("predefinedLoadMetricSpecification")
        or specification.get("predefinedScalingMetricSpecification")
    ):
        yield "a metric pair stands in place of a load and a scaling metric"
    yield from _label(pair)


def _label(metric: Any) -> Iterator[str]:
    if not isinstance(metric, dict):
        return
    kind, label = metric.get("predefinedMetricType"), metric.get("resourceLabel")
    if kind in _PER_BALANCER and not label:
        yield f"{kind} needs the resourceLabel of a balancer and its target group"
    if kind not in _PER_BALANCER and label:
        yield f"{kind} has no resourceLabel"


KINDS = (
    Kind(
        "aws:autoscaling/policy:Policy",
        create=_put,
        read=_read,
        update=again(_put),
        delete=_delete,
        fixed="name autoscalingGroupName",
        live="policyType targetTrackingConfiguration predictiveScalingConfiguration estimatedInstanceWarmup enabled",
        needs="name autoscalingGroupName policyType",
        name="name",
        limits={"name": Limit(r".{1,255}", "1 to 255 characters")},
        refuse=_refuse,
    ),
)
