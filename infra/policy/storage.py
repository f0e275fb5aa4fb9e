"""Buckets."""

from __future__ import annotations

from quartermaster.infra.inputs import HIDDEN, holds, items, part
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_BUCKET = "aws:s3/bucket:Bucket"
_WAYS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def no_public_bucket(scene: Scene) -> Broken:
    """Buckets block public access in all four ways."""
    for one in scene.of(_BUCKET):
        block = scene.companion(one, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
        missing = [way for way in _WAYS if block is None or not holds(block.inputs.get(way))]
        if missing:
            yield Breach(one, f"bucket {one.name} may become public", f"set {', '.join(missing)}")


def bucket_versioning(scene: Scene) -> Broken:
    """Buckets keep what is overwritten."""
    for one in scene.of(_BUCKET):
        kept = scene.companion(one, "aws:s3/bucketVersioning:BucketVersioning")
        setting = {} if kept is None else kept.inputs.get("versioningConfiguration")
        if setting not in HIDDEN and part(setting).get("status") not in ("Enabled", *HIDDEN):
            yield Breach(one, f"bucket {one.name} keeps no versions")


def bucket_tls(scene: Scene) -> Broken:
    """Buckets refuse plain HTTP. The local cloud speaks nothing else."""
    for one in scene.of(_BUCKET) if scene.on_aws else ():
        policy = scene.companion(one, "aws:s3/bucketPolicy:BucketPolicy")
        text = "" if policy is None else str(policy.inputs.get("policy"))
        if text not in HIDDEN and "aws:SecureTransport" not in text:
            yield Breach(one, f"bucket {one.name} answers without TLS")


def bucket_lifecycle(scene: Scene) -> Broken:
    """Old versions go some day."""
    for one in scene.of(_BUCKET):
        life = scene.companion(one, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
        rules = [] if life is None else life.inputs.get("rules")
        if rules in HIDDEN:
            continue
        if not any(rule.get("noncurrentVersionExpiration") or rule.get("expiration") for rule in items(rules)):
            yield Breach(one, f"bucket {one.name} keeps old versions for ever")


RULES = (no_public_bucket, bucket_versioning, bucket_tls, bucket_lifecycle)
