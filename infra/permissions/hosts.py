"""What a host may do: what its cluster ``uses``, and what makes and keeps it a host. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quartermaster.infra.policies import allow, document

__all__ = ["Reach", "host_policy"]

_TABLE = (
    "BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "DeleteItem", "DescribeTable", "GetItem", "PutItem",
    "Query", "Scan", "UpdateItem",
)  # fmt: skip
_OBJECTS = ("AbortMultipartUpload", "DeleteObject", "GetObject", "ListMultipartUploadParts", "PutObject")
_SESSION = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
"""Sessions of people. AWS's ready-made policy for this also reads every parameter of the account:
https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-add-permissions-to-existing-profile.html"""

_OWN_KEYS = "/hostkeys/${ec2:SourceInstanceARN}"
"""As ``fleet.names.host_key_name`` spells it. The variable is the ARN of the instance that asks:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""


@dataclass(frozen=True, slots=True)
class Reach:
    """ARNs of what the hosts of one cluster reach."""

    region: str
    account: str
    group: str
    """Name of their auto-scaling group."""
    key: str
    """The key that encrypts objects and secrets."""
    bundles: str
    """The bucket that holds role bundles."""
    logs: str
    """Their log group."""
    tables: Sequence[str] = ()
    secrets: Sequence[str] = ()
    buckets: Sequence[str] = ()


def host_policy(reach: Reach) -> str:
    """The inline policy of the hosts' role."""
    group = f"arn:aws:autoscaling:{reach.region}:{reach.account}:autoScalingGroup:*:autoScalingGroupName/{reach.group}"
    via = [f"{service}.{reach.region}.amazonaws.com" for service in ("s3", *(["secretsmanager"] * bool(reach.secrets)))]
    keys = ["kms:Decrypt", *(["kms:GenerateDataKey"] if reach.buckets else [])]
    statements = [
        allow(["s3:GetObject"], [f"{reach.bundles}/bundles/*"]),
        # Each instance says its own SSH host keys, and only once: without the header that refuses an object that is
        # there, S3 refuses the write (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html).
        allow(["s3:PutObject"], [reach.bundles + _OWN_KEYS], Condition={"Null": {"s3:if-none-match": "false"}}),
        # By itself the key opens nothing: only what S3 or Secrets Manager gives the host anyway. DynamoDB needs no
        # right of the host; the key's own policy lets it decrypt for whom the table admits.
        allow(keys, [reach.key], Condition={"StringEquals": {"kms:ViaService": via}}),
        allow(["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"], [group]),
        allow(
            [f"logs:{what}" for what in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents")], [f"{reach.logs}:*"]
        ),
        allow(["ssm:UpdateInstanceInformation"], [f"arn:aws:ec2:{reach.region}:{reach.account}:instance/*"]),
        # These four know no resources.
        allow([f"ssmmessages:{action}" for action in _SESSION], ["*"]),
    ]
    if reach.tables:
        indexes = [f"{arn}/index/*" for arn in reach.tables]
        statements.append(allow([f"dynamodb:{action}" for action in _TABLE], [*reach.tables, *indexes]))
    if reach.secrets:
        statements.append(allow(["secretsmanager:GetSecretValue"], reach.secrets))
    if reach.buckets:
        statements.append(allow([f"s3:{action}" for action in _OBJECTS], [f"{arn}/*" for arn in reach.buckets]))
        # Without it S3 says of an object that is not there: forbidden.
        statements.append(allow(["s3:ListBucket"], reach.buckets))
    return document(statements)
