"""The bucket of the balancers' access logs: written by AWS's log delivery and nobody else, and emptied by age."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.infra.bucket import store
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import admit, document, tls_only

__all__ = ["AccessLogs", "log_policy"]

_APPLICATION, _NETWORK = "logdelivery.elasticloadbalancing.amazonaws.com", "delivery.logs.amazonaws.com"
_AGE: dict[str, Any] = {
    "id": "age",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "expiration": {"days": 30},
    # What expired or was deleted can be had back for one more day.
    "noncurrent_version_expiration": {"noncurrent_days": 1},
    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
}


class AccessLogs(Component):
    """One bucket a region, with a folder for each cluster's balancer.

    Encrypted by S3 with a key of its own: balancers cannot write with another.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """

    def __init__(self, layout: Layout, account: str, *, tls: bool) -> None:
        super().__init__("AccessLogs", "access-logs")
        kept = store(
            self,
            layout,
            "access-logs",
            layout.name(f"logs-{account}"),
            key_arn=None,
            tls=False,  # that statement stands in the bucket's one policy, below
            lifecycle=[_AGE],
        )
        bucket = kept.bucket
        text = bucket.arn.apply(lambda arn: log_policy(arn, account, self.region or layout.region, tls=tls))
        policy = aws.s3.BucketPolicy("access-logs", bucket=bucket.bucket, policy=text, opts=self.child())
        self.bucket: pulumi.Output[str] = bucket.bucket
        self.ready: list[pulumi.Resource] = [kept.encryption, policy]
        """Until these are there, AWS refuses a balancer that logs to the bucket."""
        self.register_outputs({"bucket": bucket.bucket})


def log_policy(bucket_arn: str, account: str, region: str, *, tls: bool) -> str:
    """Log delivery of this account may write: that of application balancers, and that of network balancers.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html and
    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/enable-access-logs.html. ``tls``: others than
    AWS's services must speak TLS, which the local cloud does not.
    """
    objects = f"{bucket_arn}/*/AWSLogs/{account}/*"
    ours = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{region}:{account}:*"},
    }
    full = {**ours, "StringEquals": {**ours["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}
    balancers = {"ArnLike": {"aws:SourceArn": f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/*"}}
    statements: list[dict[str, Any]] = [
        admit("Application", _APPLICATION, "s3:PutObject", objects, Condition=balancers),
        admit("NetworkAcl", _NETWORK, "s3:GetBucketAcl", bucket_arn, Condition=ours),
        admit("Network", _NETWORK, "s3:PutObject", objects, Condition=full),
    ]
    if tls:
        statements.append(tls_only(bucket_arn))
    return document(statements)
