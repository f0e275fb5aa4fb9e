"""Target tracking on the local cloud: what the balancers count, per host and minute, moves a group's desired capacity.

Of the metrics that AWS tracks, only ALBRequestCountPerTarget has a source here: hosts share this machine's CPU, so
its use says nothing of theirs. Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quartermaster.infra.local import moto_elbv2, tracking
from quartermaster.infra.local.moto_autoscaling import backends, record
from quartermaster.infra.local.tracking import Size
from quartermaster.infra.local.world import World, log

__all__ = ["advance", "install"]

_METRIC = "ALBRequestCountPerTarget"


@dataclass
class _Meter:
    """What a group's policy has seen."""

    at: float
    requests: int
    points: deque[float | None] = field(default_factory=lambda: deque(maxlen=tracking.KEPT))


def install() -> None:
    """Give moto's groups a place for what their policies have seen. Call once."""
    import moto.autoscaling.models as models

    group: Any = models.FakeAutoScalingGroup
    group.ops_meter = None


def advance(world: World, counts: Mapping[str, int]) -> None:
    """Measure and decide wherever a period is over. ``counts``: requests so far, by name of the target group."""
    for backend in backends(world):
        for group, policy in _tracking(backend):
            arn = _target_group(group, policy)
            name = arn.split("/")[-2] if arn else ""
            if name not in counts:
                continue
            now, meter = world.now(), group.ops_meter
            if meter is None or counts[name] < meter.requests:  # a balancer that began anew
                points = meter.points if meter is not None else deque(maxlen=tracking.KEPT)
                group.ops_meter = _Meter(now, counts[name], points)
                continue
            if now - meter.at < world.timing["metric_period"] or now == meter.at:
                continue
            hosts = sum(state == "healthy" for state in moto_elbv2.states(world, arn).values())
            requests, seconds = counts[name] - meter.requests, now - meter.at
            meter.points.append(tracking.per_host_and_minute(requests, seconds, hosts))
            meter.at, meter.requests = now, counts[name]
            _act(world, group, policy, meter, hosts)


def _tracking(backend: Any) -> Iterator[tuple[Any, Any]]:
    for policy in list(backend.policies.values()):
        group = backend.autoscaling_groups.get(policy.auto_scaling_group_name)
        if group is not None and _metric(policy).get("PredefinedMetricType") == _METRIC:
            yield group, policy


def _metric(policy: Any) -> dict[str, Any]:
    configuration = policy.target_tracking_configuration
    found: dict[str, Any] = vars(configuration).get("PredefinedMetricSpecification", {}) if configuration else {}
    return found


def _target_group(group: Any, policy: Any) -> str:
    """The group's target group that the policy's label names."""
    label = _metric(policy).get("ResourceLabel", "")
    return next((arn for arn in group.target_group_arns if label.endswith(arn.split(":")[-1])), "")


def _act(world: World, group: Any, policy: Any, meter: _Meter, hosts: int) -> None:
    warmup = float(policy.estimated_instance_warmup or group.default_instance_warmup or 0)
    settling = any(
        state.lifecycle_state.startswith("Pending")
        or (state.lifecycle_state == "InService" and world.now() - state.ops_since < warmup)
        for state in group.instance_states
    )
    configuration = vars(policy.target_tracking_configuration)
    size = Size(hosts, int(group.desired_capacity or 0), int(group.min_size), int(group.max_size), settling)
    change = tracking.decide(tuple(meter.points), float(configuration["TargetValue"]), size)
    if change is None or "AlarmNotification" in [item["ProcessName"] for item in group.suspended_processes]:
        return
    if change.desired < size.desired and configuration.get("DisableScaleIn"):
        return
    why = f"policy {policy.name} changed the desired capacity from {size.desired} to {change.desired}: {change.why}"
    record(group, f"Setting desired capacity to {change.desired}", why)
    log.info("group %s: %s", group.name, why)
    group.desired_capacity = change.desired
    meter.points.clear()
