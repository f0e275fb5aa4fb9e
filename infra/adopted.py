"""What was there before the fleet keeps its name, and whatever else only a new one could have otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pulumi

from quartermaster.infra.component import Component

if TYPE_CHECKING:
    from quartermaster.fleet.schema.safety import Adopted

__all__ = ["KEPT", "keep_adopted"]

KEPT: Mapping[str, tuple[str, ...]] = {
    "aws:autoscaling/group:Group": ("name",),
    "aws:dynamodb/table:Table": ("name", "hashKey", "attributes"),
    "aws:lb/listener:Listener": (),
    "aws:lb/loadBalancer:LoadBalancer": ("name", "internal", "loadBalancerType"),
    "aws:lb/targetGroup:TargetGroup": ("name", "port", "protocol", "vpcId", "targetType"),
    # The login too: a password of ours would lock out everybody who knows the old one.
    "aws:rds/instance:Instance": (
        "identifier", "dbName", "username", "password", "engine", "storageEncrypted", "kmsKeyId", "dbSubnetGroupName",
        "port", "availabilityZone", "performanceInsightsKmsKeyId",
    ),
}  # fmt: skip
"""Inputs that stay as found, by the types that `ops adopt` takes in."""


def keep_adopted(adopted: Iterable[Adopted]) -> None:
    """Let the running program leave alone what would replace something that was adopted."""
    found = {(item.type, item.name) for item in adopted}
    if not found:
        return

    def keep(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        parent = args.opts.parent
        elsewhere = isinstance(parent, Component) and bool(parent.region)
        if elsewhere or (args.type_, args.name) not in found:
            return None
        kept = pulumi.ResourceOptions(ignore_changes=list(KEPT[args.type_]))
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, kept))

    pulumi.runtime.register_stack_transformation(keep)
