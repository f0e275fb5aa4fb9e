"""A DynamoDB table: encrypted, restorable to any second of the last 35 days, and copied to the recovery region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Database as Declared
from quartermaster.infra.component import Component
from quartermaster.infra.keyring import There
from quartermaster.infra.layout import Layout

__all__ = ["table"]


def table(
    parent: Component,
    layout: Layout,
    name: str,
    declared: Declared,
    *,
    key_arn: pulumi.Input[str],
    there: There | None,
    tags: Mapping[str, str],
) -> aws.dynamodb.Table:
    """The table. With ``there`` it is a global one: both regions take writes, and the last one wins."""
    replicas: list[Any] = []
    if there:
        replicas.append(
            {
                "region_name": there.region,
                "kms_key_arn": there.key_arn,
                "point_in_time_recovery": True,
                "deletion_protection_enabled": layout.protect,
                "propagate_tags": True,
            }
        )
    return aws.dynamodb.Table(
        name,
        name=layout.name(name),
        hash_key=declared.key,
        attributes=[{"name": declared.key, "type": "S"}],
        billing_mode="PAY_PER_REQUEST",
        point_in_time_recovery={"enabled": True},
        server_side_encryption={"enabled": True, "kms_key_arn": key_arn},
        # A replica is fed from the table's stream.
        stream_enabled=True if replicas else None,
        stream_view_type="NEW_AND_OLD_IMAGES" if replicas else None,
        replicas=replicas or None,
        deletion_protection_enabled=layout.protect,
        tags=dict(tags),
        opts=parent.child(protect=layout.protect),
    )
