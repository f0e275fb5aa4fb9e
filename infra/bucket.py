"""Buckets: private, encrypted, versioned, TLS only. The stack's own holds the role bundles that hosts converge from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout, bucket_name
from quartermaster.infra.policies import document, tls_only

__all__ = ["POINTER", "Bucket", "Store", "bucket_name", "lifecycle_rules", "points_to", "store"]

POINTER = "bundles/current.json"
"""Object that says which bundle a booting host takes: {"key", "sha256"}."""
_KEEP_OLD_DAYS = 90
_UNFINISHED_DAYS = 7


def points_to(s3: Any, bucket: str, bundle: Path) -> bool:
    """Whether hosts are pointed to this bundle: then whoever published it last was us. Read-only."""
    try:
        pointer = s3.get_object(Bucket=bucket, Key=POINTER)["Body"].read()
        return bool(json.loads(pointer)["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest())
    except (s3.exceptions.ClientError, ValueError, KeyError):
        return False


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket with its settings; who puts objects into it awaits them."""

    bucket: aws.s3.Bucket
    versioning: aws.s3.BucketVersioning
    encryption: aws.s3.BucketServerSideEncryptionConfiguration


class Bucket(Component):
    """The stack's own bucket, and the current role bundle with its pointer.

    The recovery region has one of its own with the same bundle, so this one is not copied.
    """

    def __init__(
        self, layout: Layout, account: str, key_arn: pulumi.Input[str], bundle: Path | None, *, tls: bool
    ) -> None:
        super().__init__("Bucket", "bucket")
        name = bucket_name(layout, account)
        here = store(self, layout, "ops", name, key_arn=key_arn, tls=tls, lifecycle=lifecycle_rules(_KEEP_OLD_DAYS))
        self.bucket = here.bucket
        if bundle is not None:
            self._publish(bundle, [here.versioning, here.encryption])
        self.register_outputs({"bucket": here.bucket.bucket})

    def _publish(self, bundle: Path, awaited: list[pulumi.Resource]) -> None:
        sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
        key = f"bundles/{sha256}.tar.gz"
        stored = aws.s3.BucketObjectv2(
            "bundle",
            bucket=self.bucket.bucket,
            key=key,
            source=pulumi.FileAsset(str(bundle)),
            content_type="application/gzip",
            opts=self.child(depends_on=awaited),
        )
        # After the bundle: the pointer never names what is not there yet.
        aws.s3.BucketObjectv2(
            "pointer",
            bucket=self.bucket.bucket,
            key=POINTER,
            content=json.dumps({"key": key, "sha256": sha256}),
            content_type="application/json",
            opts=self.child(depends_on=[stored]),
        )


def store(
    parent: Component,
    layout: Layout,
    name: str,
    bucket: str,
    *,
    key_arn: pulumi.Input[str] | None,
    tls: bool,
    lifecycle: Sequence[Any],
    region: str | None = None,
) -> Store:
    """A bucket as all of ours are. Without a key it is encrypted with S3's own, which a balancer's logs need.

    ``tls``: does the cloud speak TLS? The local one is plain HTTP on this machine, and would refuse itself.
    """
    made = aws.s3.Bucket(
        name,
        bucket=bucket,
        force_destroy=not layout.protect,
        region=region,
        opts=parent.child(protect=layout.protect),
    )
    common: dict[str, Any] = {"bucket": made.bucket, "region": region, "opts": parent.child()}
    block = aws.s3.BucketPublicAccessBlock(
        name,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        **common,
    )
    # No ACLs at all: what is in the bucket belongs to the account, whoever put it there.
    aws.s3.BucketOwnershipControls(name, rule={"object_ownership": "BucketOwnerEnforced"}, **common)
    versioning = aws.s3.BucketVersioning(name, versioning_configuration={"status": "Enabled"}, **common)
    default: Any = {"sse_algorithm": "AES256"}
    if key_arn:
        default = {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn}
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        rules=[{"apply_server_side_encryption_by_default": default, "bucket_key_enabled": bool(key_arn)}],
        **common,
    )
    aged = {**common, "opts": parent.child(depends_on=[versioning])}
    aws.s3.BucketLifecycleConfiguration(name, rules=lifecycle, **aged)
    if tls:
        policy = {**common, "opts": parent.child(depends_on=[block])}
        aws.s3.BucketPolicy(name, policy=made.arn.apply(lambda arn: document([tls_only(arn)])), **policy)
    return Store(made, versioning, encryption)


def lifecycle_rules(keep_old_days: int, cold_after_days: int = 0) -> list[Any]:
    """What becomes of objects with time: nothing that was deleted or overwritten is paid for for ever. Pure."""
    rules: list[Any] = [
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": keep_old_days},
            # The mark that a deleted object leaves, once no version is behind it.
            "expiration": {"expired_object_delete_marker": True},
            "abort_incomplete_multipart_upload": {"days_after_initiation": _UNFINISHED_DAYS},
        }
    ]
    if cold_after_days:
        rules.append(
            {
                "id": "cold",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "transitions": [{"days": cold_after_days, "storage_class": "STANDARD_IA"}],
            }
        )
    return rules
