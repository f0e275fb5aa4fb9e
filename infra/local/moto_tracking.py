"""Target tracking on the local cloud: what balancers count, or the CPU time that hosts use, moves a group's desired
capacity. Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quartermaster.infra.local import moto_elbv2, tracking
from quartermaster.infra.local.moto_autoscaling import record, suspended
from quartermaster.infra.local.tracking import Size
from quartermaster.infra.local.world import World, log

__all__ = ["advance", "install"]

_REQUESTS, _CPU = "ALBRequestCountPerTarget", "ASGAverageCPUUtilization"


@dataclass
class _Meter:
    """What a group's policy has seen."""

    at: float
    requests: int = 0
    busy: Mapping[str, float] = field(default_factory=dict)
    """By host, the CPU seconds that it had used."""
    points: deque[float | None] = field(default_factory=lambda: deque(maxlen=tracking.KEPT))


def install() -> None:
    """Give moto's groups a place for what their policies have seen. Call once."""
    import moto.autoscaling.models as models

    group: Any = models.FakeAutoScalingGroup
    group.ops_meter = None


def advance(world: World, counts: Mapping[str, int], busy: Callable[[], Mapping[str, float]]) -> None:
    """Measure and decide wherever a period is over.

    ``counts``: requests so far, by name of the target group. ``busy``: asks how many CPU seconds each host has used.
    """
    for backend in world.backends("autoscaling"):
        for group, policy in _tracking(backend, _REQUESTS):
            arn = _target_group(group, policy)
            name = arn.split("/")[-2] if arn else ""
            if name in counts:
                _by_requests(world, group, policy, arn, counts[name])
        for group, policy in _tracking(backend, _CPU):
            _by_cpu(world, group, policy, busy)


def _by_requests(world: World, group: Any, policy: Any, arn: str, count: int) -> None:
    now, meter = world.now(), group.ops_meter
    if meter is None or count < meter.requests:  # a balancer that began anew
        points = meter.points if meter is not None else deque(maxlen=tracking.KEPT)
        group.ops_meter = _Meter(now, count, points=points)
        return
    if not _over(world, meter):
        return
    hosts = sum(state == "healthy" for state in moto_elbv2.states(world, arn).values())
    requests, seconds = count - meter.requests, now - meter.at
    meter.points.append(tracking.per_host_and_minute(requests, seconds, hosts))
    meter.at, meter.requests = now, count
    _act(world, group, policy, meter, hosts, "requests per host and minute")


def _by_cpu(world: World, group: Any, policy: Any, busy: Callable[[], Mapping[str, float]]) -> None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    now, meter = world.now(), group.ops_meter
    if meter is None:
        group.ops_meter = _Meter(now, busy=busy())
        return
    if not _over(world, meter):
        return
    serving = [state.instance for state in group.instance_states if state.lifecycle_state == "InService"]
    types = {one.id: INSTANCE_TYPES.get(one.instance_type) for one in serving}
    vcpus = {key: int(known["VCpuInfo"]["DefaultVCpus"]) for key, known in types.items() if known}
    used = busy()
    meter.points.append(tracking.percent_of(meter.busy, used, now - meter.at, vcpus))
    meter.at, meter.busy = now, used
    _act(world, group, policy, meter, len(serving), "percent of CPU")


def _over(world: World, meter: _Meter) -> bool:
    return world.now() - meter.at >= world.timing["metric_period"] and world.now() != meter.at


def _tracking(backend: Any, metric: str) -> Iterator[tuple[Any, Any]]:
    for policy in list(backend.policies.values()):
        group = backend.autoscaling_groups.get(policy.auto_scaling_group_name)
        if group is not None and _metric(policy).get("PredefinedMetricType") == metric:
            yield group, policy


def _metric(policy: Any) -> dict[str, Any]:
    configuration = policy.target_tracking_configuration
    found: dict[str, Any] = vars(configuration).get("PredefinedMetricSpecification", {}) if configuration else {}
    return found


def _target_group(group: Any, policy: Any) -> str:
    """The group's target group that the policy's label names."""
    label = _metric(policy).get("ResourceLabel", "")
    return next((arn for arn in group.target_group_arns if label.endswith(arn.split(":")[-1])), "")


def _act(world: World, group: Any, policy: Any, meter: _Meter, hosts: int, of: str) -> None:
    warmup = float(policy.estimated_instance_warmup or group.default_instance_warmup or 0)
    settling = any(
        state.lifecycle_state.startswith("Pending")
        or (state.lifecycle_state == "InService" and world.now() - state.ops_since < warmup)
        for state in group.instance_states
    )
    configuration = vars(policy.target_tracking_configuration)
    size = Size(hosts, int(group.desired_capacity or 0), int(group.min_size), int(group.max_size), settling)
    change = tracking.decide(tuple(meter.points), float(configuration["TargetValue"]), size, of)
    if change is None or "AlarmNotification" in suspended(group):
        return
    if change.desired < size.desired and configuration.get("DisableScaleIn"):
        return
    why = f"policy {policy.name} changed the desired capacity from {size.desired} to {change.desired}: {change.why}"
    record(group, f"Setting desired capacity to {change.desired}", why)
    log.info("group %s: %s", group.name, why)
    group.desired_capacity = change.desired
    meter.points.clear()
