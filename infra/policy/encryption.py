"""Encryption at rest, and the keys for it."""

from __future__ import annotations

from quartermaster.infra.inputs import holds, items, part
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_BUCKET_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


def encryption_at_rest(scene: Scene) -> Broken:
    """Databases, tables, vaults and buckets are encrypted."""
    for one in scene.of("aws:rds/instance:Instance"):
        # A replica of the same region has the encryption of its source.
        if not one.inputs.get("replicateSourceDb") and not holds(one.inputs.get("storageEncrypted")):
            yield Breach(one, f"database {one.name} is stored unencrypted", "storageEncrypted: true")
    for one in scene.of("aws:dynamodb/table:Table"):
        if not holds(part(one.inputs.get("serverSideEncryption")).get("enabled")):
            yield Breach(one, f"table {one.name} has no key of its own", "serverSideEncryption: {enabled: true}")
    for one in scene.of("aws:backup/vault:Vault"):
        if not one.inputs.get("kmsKeyArn"):
            yield Breach(one, f"vault {one.name} has no key of its own")
    for one in scene.of("aws:s3/bucket:Bucket"):
        if scene.companion(one, _BUCKET_ENCRYPTION) is None:
            yield Breach(one, f"bucket {one.name} has no encryption of ours")


def encrypted_volumes(scene: Scene) -> Broken:
    """Disks of hosts, and disks by themselves, are encrypted."""
    for one in scene.of("aws:ec2/launchTemplate:LaunchTemplate"):
        for mapping in items(one.inputs.get("blockDeviceMappings")):
            if mapping.get("ebs") and not holds(part(mapping["ebs"]).get("encrypted")):
                yield Breach(one, f"a disk of hosts of {one.name} is unencrypted", "ebs.encrypted: true")
    for one in scene.of("aws:ebs/volume:Volume"):
        if not holds(one.inputs.get("encrypted")):
            yield Breach(one, f"volume {one.name} is unencrypted")


def encrypted_logs(scene: Scene) -> Broken:
    """Log groups and topics have a key of ours."""
    for one in scene.of("aws:cloudwatch/logGroup:LogGroup"):
        if not one.inputs.get("kmsKeyId"):
            yield Breach(one, f"log group {one.name} has no key of ours")
    for one in scene.of("aws:sns/topic:Topic"):
        if not one.inputs.get("kmsMasterKeyId"):
            yield Breach(one, f"topic {one.name} has no key of ours", "kmsMasterKeyId of the stack's key for logs")


def key_rotation(scene: Scene) -> Broken:
    """Keys are rotated every year."""
    for one in scene.of("aws:kms/key:Key"):
        if not holds(one.inputs.get("enableKeyRotation")):
            yield Breach(one, f"key {one.name} is never rotated")


RULES = (encryption_at_rest, encrypted_volumes, encrypted_logs, key_rotation)
