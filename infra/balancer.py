"""A load balancer: application or network, with the target groups of the clusters behind it and its listeners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.connections import KeepAlive
from quartermaster.fleet.schema.servers import Balancer as Declared
from quartermaster.infra.access_logs import AccessLogs
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.listener import listeners
from quartermaster.infra.target_group import NAME_LIMIT, target_group

__all__ = ["Balancer", "Balancing"]


@dataclass(frozen=True, slots=True)
class Balancer:
    """What one cluster needs of the balancer that it stands behind, its own or another's."""

    balancer: aws.lb.LoadBalancer
    targets: aws.lb.TargetGroup
    """The cluster's own."""
    listener: aws.lb.Listener
    """Until it is there, nobody asks the targets for their health."""


class Balancing(Component):
    """Balancer, target groups, listeners. ``by_cluster``: what each cluster behind it needs of it."""

    def __init__(
        self,
        layout: Layout,
        cluster: str,
        declared: Declared,
        *,
        vpc_id: pulumi.Input[str],
        subnets: list[pulumi.Output[str]],
        security_group: pulumi.Input[str],
        times: KeepAlive,
        certificate: pulumi.Input[str] | None,
        redirects: bool,
        logs: AccessLogs | None,
    ) -> None:
        super().__init__("Balancer", f"{cluster}-balancer")
        network = declared.kind == "network"
        to: Any = {"bucket": logs.bucket, "prefix": cluster, "enabled": True} if logs is not None else None
        balancer = aws.lb.LoadBalancer(
            cluster,
            name=layout.name(cluster, limit=NAME_LIMIT),
            internal=declared.internal,
            load_balancer_type=declared.kind,
            subnets=subnets,
            # A network balancer too: one that was made without can never have any.
            security_groups=[security_group],
            idle_timeout=None if network else times.idle,
            client_keep_alive=None if network else times.client,
            drop_invalid_header_fields=None if network else True,
            enable_cross_zone_load_balancing=declared.cross_zone if network else None,
            enable_deletion_protection=layout.protect,
            # Costs nothing while no shift is on, and without it nobody can leave a zone in a hurry.
            enable_zonal_shift=None if network else True,
            access_logs=to,
            tags=dict(layout.tags(cluster)),
            opts=self.child(protect=layout.protect, depends_on=logs.ready if logs is not None else []),
        )
        shared = declared.weights if declared.algorithm == "weighted" else ()
        targets = {
            name: target_group(layout, name, declared, vpc_id=vpc_id, opts=self.child())
            for name in dict.fromkeys((cluster, *shared))
        }
        listener = listeners(
            self,
            layout,
            cluster,
            declared,
            balancer=balancer,
            targets=targets,
            certificate=certificate,
            redirects=redirects,
            times=times,
        )
        self.by_cluster: Mapping[str, Balancer] = {
            name: Balancer(balancer, group, listener) for name, group in targets.items()
        }
        self.register_outputs({"dns_name": balancer.dns_name})
