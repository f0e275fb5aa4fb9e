"""A cluster's load balancer: application or network, its target group and its listener."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Balancer as Declared
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout

__all__ = ["Balancer", "algorithm"]

_NAME_LIMIT = 32
_CHECK: Any = {"interval": 5, "timeout": 3, "healthy_threshold": 2, "unhealthy_threshold": 2}
"""The quickest that AWS offers: a lost host is out after ten seconds."""


def algorithm(declared: Declared) -> str | None:
    """AWS's word for the algorithm; None on a network balancer, which has none."""
    if declared.kind == "network":
        return None
    # Weights are between target groups; within each, hosts take turns.
    return "round_robin" if declared.algorithm == "weighted" else declared.algorithm


class Balancer(Component):
    """Balancer, target group, listener of one cluster."""

    def __init__(
        self,
        layout: Layout,
        cluster: str,
        declared: Declared,
        *,
        vpc_id: pulumi.Input[str],
        subnets: list[pulumi.Output[str]],
        security_group: pulumi.Input[str],
    ) -> None:
        super().__init__("Balancer", f"{cluster}-balancer")
        network = declared.kind == "network"
        sticky: Any = {"type": "source_ip", "enabled": True}
        check: Any = {"protocol": "HTTP", "path": declared.health, "matcher": "200", **_CHECK}
        name = layout.name(cluster, limit=_NAME_LIMIT)
        self.balancer = aws.lb.LoadBalancer(
            cluster,
            name=name,
            internal=declared.internal,
            load_balancer_type=declared.kind,
            subnets=subnets,
            security_groups=[security_group],
            drop_invalid_header_fields=None if network else True,
            enable_cross_zone_load_balancing=declared.cross_zone if network else None,
            enable_deletion_protection=layout.protect,
            tags=dict(layout.tags(cluster)),
            opts=self.child(protect=layout.protect),
        )
        self.targets = aws.lb.TargetGroup(
            cluster,
            name=name,
            protocol="TCP" if network else "HTTP",
            port=declared.port,
            vpc_id=vpc_id,
            target_type="instance",
            deregistration_delay=declared.drain_seconds,
            load_balancing_algorithm_type=algorithm(declared),
            slow_start=declared.slow_start_seconds or None,
            load_balancing_anomaly_mitigation="on" if declared.anomaly_mitigation else None,
            load_balancing_cross_zone_enabled=None if network or declared.cross_zone else "false",
            stickiness=sticky if declared.algorithm == "source_ip" else None,
            health_check=check,
            tags=dict(layout.tags(cluster)),
            opts=self.child(),
        )
        self.listener = aws.lb.Listener(
            cluster,
            load_balancer_arn=self.balancer.arn,
            port=declared.port,
            protocol="TCP" if network else "HTTP",
            default_actions=[{"type": "forward", "target_group_arn": self.targets.arn}],
            tags=dict(layout.tags(cluster)),
            opts=self.child(),
        )
        self.register_outputs({"dns_name": self.balancer.dns_name})
