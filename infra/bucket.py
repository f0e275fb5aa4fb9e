"""The stack's bucket: private, encrypted, versioned, TLS only; it holds the role bundles that hosts converge from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import document

__all__ = ["POINTER", "Bucket", "bucket_name"]

POINTER = "bundles/current.json"
"""Object that says which bundle a booting host takes: {"key", "sha256"}."""


def bucket_name(layout: Layout, account: str) -> str:
    """Bucket names are shared by everyone on AWS: the account's number makes it ours."""
    return layout.name(f"ops-{account}")


class Bucket(Component):
    """Bucket, its settings, and the current role bundle with its pointer."""

    def __init__(
        self, layout: Layout, account: str, key_arn: pulumi.Input[str], bundle: Path | None, *, tls: bool
    ) -> None:
        super().__init__("Bucket", "bucket")
        self.bucket = aws.s3.Bucket(
            "ops",
            bucket=bucket_name(layout, account),
            force_destroy=not layout.protect,
            opts=self.child(protect=layout.protect),
        )
        name = self.bucket.bucket
        aws.s3.BucketPublicAccessBlock(
            "ops",
            bucket=name,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        versioning = aws.s3.BucketVersioning(
            "ops", bucket=name, versioning_configuration={"status": "Enabled"}, opts=self.child()
        )
        encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            "ops",
            bucket=name,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": key_arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=self.child(),
        )
        if tls:
            aws.s3.BucketPolicy("ops", bucket=name, policy=self.bucket.arn.apply(_tls_only), opts=self.child())
        if bundle is not None:
            self._publish(bundle, [versioning, encryption])
        self.register_outputs({"bucket": name})

    def _publish(self, bundle: Path, settings: list[pulumi.Resource]) -> None:
        sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
        key = f"bundles/{sha256}.tar.gz"
        stored = aws.s3.BucketObjectv2(
            "bundle",
            bucket=self.bucket.bucket,
            key=key,
            source=pulumi.FileAsset(str(bundle)),
            content_type="application/gzip",
            opts=self.child(depends_on=settings),
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


def _tls_only(arn: str) -> str:
    return document(
        [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )
