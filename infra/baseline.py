"""What an account has once, made only when fleet.yaml says so: a trail of every call of its API, in all regions.

GuardDuty and AWS Config are left to the organisation: both are billed by everything that the account does, not by
what this fleet does, and both are usually run for many accounts from one.
"""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws

from quartermaster.infra.bucket import lifecycle_rules, store
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import admit, document, owner, tls_only

__all__ = ["Baseline", "key_policy", "trail_policy"]

_KEEP_OLD_DAYS = 365
_COLD_AFTER_DAYS = 90
_SERVICE = "cloudtrail.amazonaws.com"


class Baseline(Component):
    """CloudTrail: management events of all regions, their files signed and encrypted, in a bucket of their own."""

    def __init__(self, layout: Layout, account: str, *, tls: bool) -> None:
        super().__init__("Baseline", "baseline")
        name = layout.name("trail", limit=128)
        arn = f"arn:aws:cloudtrail:{layout.region}:{account}:trail/{name}"
        key = aws.kms.Key(
            "trail",
            description=f"Trail of account {account}",
            policy=key_policy(account, arn),
            enable_key_rotation=True,
            deletion_window_in_days=30 if layout.protect else 7,
            opts=self.child(protect=layout.protect),
        )
        kept = store(
            self,
            layout,
            "trail",
            layout.name(f"trail-{account}"),
            key_arn=key.arn,
            tls=False,  # that statement stands in the bucket's one policy, below
            lifecycle=lifecycle_rules(_KEEP_OLD_DAYS, _COLD_AFTER_DAYS),
        )
        policy = aws.s3.BucketPolicy(
            "trail",
            bucket=kept.bucket.bucket,
            policy=kept.bucket.arn.apply(lambda bucket: trail_policy(bucket, account, arn, tls=tls)),
            opts=self.child(),
        )
        self.trail = aws.cloudtrail.Trail(
            "trail",
            name=name,
            s3_bucket_name=kept.bucket.bucket,
            kms_key_id=key.arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            opts=self.child(protect=layout.protect, depends_on=[policy, kept.encryption]),
        )
        self.register_outputs({"trail": self.trail.arn})


def trail_policy(bucket: str, account: str, trail: str, *, tls: bool) -> str:
    """The bucket's policy: this one trail writes, its owner reads, and nobody without TLS. Pure.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    ours: dict[str, Any] = {"aws:SourceArn": trail}

    full = {**ours, "s3:x-amz-acl": "bucket-owner-full-control"}
    files = f"{bucket}/AWSLogs/{account}/*"
    statements = [
        admit("Look", _SERVICE, "s3:GetBucketAcl", bucket, Condition={"StringEquals": ours}),
        admit("Write", _SERVICE, "s3:PutObject", files, Condition={"StringEquals": full}),
    ]
    if tls:
        statements.append(tls_only(bucket))
    return document(statements)


def key_policy(account: str, trail: str) -> str:
    """Who may use the trail's key: the account, and this one trail. In a key's policy ``*`` is that key. Pure.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """

    ours = {"StringEquals": {"aws:SourceArn": trail}}
    context = {"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trail}}
    return document(
        [
            owner(account),
            admit("Encrypt", _SERVICE, "kms:GenerateDataKey*", "*", Condition={**ours, **context}),
            admit("Look", _SERVICE, "kms:DescribeKey", "*", Condition=ours),
        ]
    )
