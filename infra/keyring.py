"""The stack's KMS keys in one region, one for each purpose, and the key pair that people log in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import admit, document, owner

__all__ = ["Keys", "There", "key_policy"]

_PURPOSES = {
    "data": "Databases, objects, secrets and disks",
    "backup": "Recovery points",
    "logs": "Logs and notices",
}
_USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
_VIA = {"data": ("dynamodb", "ec2", "rds"), "backup": ("backup",)}
"""Services that encrypt on behalf of whoever may use them, as with AWS's own keys. S3 and Secrets Manager are not
here: who reads an object or a secret needs the key from the policy of its own role, so that a bucket policy
opened by mistake opens nothing."""
_TELLERS = ("backup.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com", "events.rds.amazonaws.com")
"""Services that post to a topic encrypted with the key for logs."""


@dataclass(frozen=True, slots=True)
class There:
    """The recovery region, for what is copied to it: the key that encrypts the copies."""

    region: str
    key_arn: pulumi.Input[str]


class Keys(Component):
    """The keys of one region. A key is declared when it is first asked for: one that nothing uses would cost as much.

    ``region`` names the recovery region; left out, it is the stack's own.
    """

    def __init__(self, layout: Layout, account: str, public_key: str, *, region: str | None = None) -> None:
        self._prefix = "recovery-" if region else ""
        super().__init__("Keys", f"{self._prefix}keys")
        self._layout, self._account, self._public_key, self._region = layout, account, public_key, region

    @cached_property
    def data(self) -> aws.kms.Key:
        """Of databases, objects, secrets and the hosts' disks."""
        return self._key("data")

    @cached_property
    def backup(self) -> aws.kms.Key:
        """Of recovery points: who may read the data may yet not spoil its backups."""
        return self._key("backup")

    @cached_property
    def logs(self) -> aws.kms.Key:
        """Of log groups and topics: AWS's services write with it, and must not reach the data by it."""
        return self._key("logs")

    @cached_property
    def pair(self) -> aws.ec2.KeyPair:
        """The public key for the hosts."""
        return aws.ec2.KeyPair(
            f"{self._prefix}ssh",
            key_name=self._layout.name(),
            public_key=self._public_key,
            region=self._region,
            opts=self.child(),
        )

    def _key(self, purpose: str) -> aws.kms.Key:
        layout, name = self._layout, f"{self._prefix}{purpose}"
        key = aws.kms.Key(
            name,
            description=f"{_PURPOSES[purpose]} of {layout.name()}",
            policy=key_policy(purpose, self._account, self._region or layout.region),
            enable_key_rotation=True,
            deletion_window_in_days=30 if layout.protect else 7,
            region=self._region,
            opts=self.child(protect=layout.protect),
        )
        aws.kms.Alias(
            name,
            name=f"alias/{layout.name(purpose)}",
            target_key_id=key.key_id,
            region=self._region,
            opts=self.child(),
        )
        return key


def key_policy(purpose: str, account: str, region: str) -> str:
    """Who may use the key of a purpose. In a key's policy the resource ``*`` is that key. Pure.

    The account administers it, or nobody could after a mistake:
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    statements = [owner(account)]
    if purpose in _VIA:
        services = [f"{service}.{region}.amazonaws.com" for service in _VIA[purpose]]
        via = {"kms:CallerAccount": account, "kms:ViaService": services}
        statements += _use_and_grant("Services", {"StringEquals": via})
    if purpose == "data":
        # Auto Scaling starts hosts with a role of its own and no service between. As principal KMS would refuse it
        # in an account that never had a group, where that role does not exist yet; as a condition it may come later.
        # https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html
        role = f"arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
        statements += _use_and_grant("AutoScaling", {"StringEquals": {"aws:PrincipalArn": role}})
    if purpose == "logs":
        context = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:*"}
        logs = [f"logs.{region}.amazonaws.com"]
        statements.append(admit("Logs", logs, list(_USE), "*", Condition={"ArnLike": context}))
        topics = {"kms:EncryptionContext:aws:sns:topicArn": f"arn:aws:sns:{region}:{account}:*"}
        tell = ["kms:Decrypt", "kms:GenerateDataKey*"]
        statements.append(admit("Notices", list(_TELLERS), tell, "*", Condition={"ArnLike": topics}))
    return document(statements)


def _use_and_grant(sid: str, condition: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whom the condition names may use the key, and lend it to AWS's services only."""
    anyone: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*"}
    lend = {**condition, "Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [
        {"Sid": sid, **anyone, "Action": list(_USE), "Condition": condition},
        {"Sid": f"{sid}Lend", **anyone, "Action": ["kms:CreateGrant"], "Condition": lend},
    ]
