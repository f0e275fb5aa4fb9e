"""Replication of a bucket's objects to a bucket in the recovery region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.keyring import There
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import allow, document, trust

if TYPE_CHECKING:
    from quartermaster.infra.bucket import Store

__all__ = ["replicate"]


def replicate(
    parent: Component,
    layout: Layout,
    name: str,
    source: Store,
    copy: Store,
    *,
    key_arn: pulumi.Input[str],
    there: There,
) -> aws.s3.BucketReplicationConfig:
    """Copy what is written from now on, deletions too; S3 takes a role of ours for it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
    """
    role = aws.iam.Role(
        f"{name}-replication",
        name=layout.name(f"{name}-replication", limit=64),
        assume_role_policy=trust("s3.amazonaws.com"),
        opts=parent.child(),
    )
    policy = pulumi.Output.all(source.bucket.arn, key_arn, copy.bucket.arn, there.key_arn).apply(
        lambda known: _policy(*known, region=layout.region, there=there.region)
    )
    allowed = aws.iam.RolePolicy(
        f"{name}-replication", name="replicate", role=role.name, policy=policy, opts=parent.child()
    )
    return aws.s3.BucketReplicationConfig(
        name,
        bucket=source.bucket.bucket,
        role=role.arn,
        rules=[
            {
                "id": "recovery",
                "status": "Enabled",
                "priority": 1,
                "filter": {"prefix": ""},
                "delete_marker_replication": {"status": "Enabled"},
                "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
                "destination": {
                    "bucket": copy.bucket.arn,
                    "encryption_configuration": {"replica_kms_key_id": there.key_arn},
                },
            }
        ],
        opts=parent.child(depends_on=[source.versioning, copy.versioning, copy.encryption, allowed]),
    )


def _policy(source: str, key: str, copy: str, copy_key: str, *, region: str, there: str) -> str:
    def via_s3(of: str) -> dict[str, dict[str, str]]:
        return {"StringEquals": {"kms:ViaService": f"s3.{of}.amazonaws.com"}}

    reads = ("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging")
    writes = ("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags")
    return document(
        [
            allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], [source]),
            allow(reads, [f"{source}/*"]),
            allow(writes, [f"{copy}/*"]),
            allow(["kms:Decrypt"], [key], Condition=via_s3(region)),
            allow(["kms:Encrypt", "kms:GenerateDataKey"], [copy_key], Condition=via_s3(there)),
        ]
    )
