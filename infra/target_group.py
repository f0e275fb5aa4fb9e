"""A cluster's target group: which hosts a balancer knows, how it chooses among them and asks for their health."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.objectives import check_timeout
from quartermaster.fleet.schema.servers import Balancer as Declared
from quartermaster.infra.layout import Layout

__all__ = ["NAME_LIMIT", "algorithm", "health_check", "stickiness", "target_group"]

NAME_LIMIT = 32
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"""


def target_group(
    layout: Layout, cluster: str, declared: Declared, *, vpc_id: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> aws.lb.TargetGroup:
    """The target group of a cluster behind the balancer that is declared, its own or another's."""
    network = declared.kind == "network"
    sticky, check = stickiness(declared), health_check(declared)
    return aws.lb.TargetGroup(
        cluster,
        name=layout.name(cluster, limit=NAME_LIMIT),
        protocol="TCP" if network else "HTTP",
        port=declared.port,
        vpc_id=vpc_id,
        target_type="instance",
        deregistration_delay=declared.drain_seconds,
        # A flow may last for days: after the delay it ends, or the host would never be rid of it.
        connection_termination=True if network else None,
        load_balancing_algorithm_type=algorithm(declared),
        slow_start=declared.slow_start_seconds or None,
        load_balancing_anomaly_mitigation="on" if declared.anomaly_mitigation else None,
        load_balancing_cross_zone_enabled=None if network or declared.cross_zone else "false",
        stickiness=sticky,
        health_check=check,
        tags=dict(layout.tags(cluster)),
        opts=opts,
    )


def algorithm(declared: Declared) -> str | None:
    """AWS's word for the algorithm; None on a network balancer, which has none."""
    if declared.kind == "network":
        return None
    # Weights are between target groups; within each, hosts take turns.
    return "round_robin" if declared.algorithm == "weighted" else declared.algorithm


def stickiness(declared: Declared) -> Any:
    """How a client stays with its host; None where it does not."""
    if declared.algorithm == "source_ip":
        return {"type": "source_ip", "enabled": True}
    if declared.sticky_seconds:
        return {"type": "lb_cookie", "enabled": True, "cookie_duration": declared.sticky_seconds}
    return None


def health_check(declared: Declared) -> Any:
    """How hosts are asked for their health."""
    times = {
        "interval": declared.check_seconds,
        "timeout": check_timeout(declared),
        "healthy_threshold": declared.healthy_after,
        "unhealthy_threshold": declared.unhealthy_after,
    }
    if declared.health == "tcp":
        return {"protocol": "TCP", **times}
    return {"protocol": "HTTP", "path": declared.health, "matcher": "200", **times}
