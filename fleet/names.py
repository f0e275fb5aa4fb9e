"""Names and tags of what a stack makes, in one place: who creates and who looks up must agree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

__all__ = [
    "ROLE_OF_EXPERIMENTS",
    "TAG_BACKUP",
    "TAG_CLUSTER",
    "TAG_FLEET",
    "TAG_STACK",
    "TAG_URN",
    "backup_tag",
    "host_key_name",
    "limited",
    "log_group_name",
    "pairs",
    "physical",
    "pins_key",
    "state_bucket",
    "tag_filters",
    "tags",
]

TAG_FLEET = "ops:fleet"
TAG_STACK = "ops:stack"
TAG_CLUSTER = "ops:cluster"
TAG_BACKUP = "ops:backup"
"""Set on what the stack's backup plan takes; its value names the stack, so that no other plan takes it too."""
TAG_URN = "ops:urn"
"""Set on every taggable resource: by it an interrupted create is found again."""
ROLE_OF_EXPERIMENTS = "experiments"
"""The part of the stack whose name the role has that AWS Fault Injection Service takes."""


def physical(fleet: str, stack: str, name: str = "", *, limit: int = 63) -> str:
    """The physical name ``fleet-stack-name``, cut to ``limit`` (32 for balancers and target groups)."""
    return limited("-".join(part for part in (fleet, stack, name) if part), limit)


def limited(name: str, limit: int) -> str:
    """The name if it fits, else its head and a hash of the whole, so that two long names stay two."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 7].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def backup_tag(fleet: str, stack: str) -> str:
    """The value of ``ops:backup``."""
    return f"{fleet}/{stack}"


def host_key_name(region: str, account: str, instance_id: str) -> str:
    """The object of the stack's bucket in which an instance says its SSH host keys; it ends in the instance's ARN."""
    return f"hostkeys/arn:aws:ec2:{region}:{account}:instance/{instance_id}"


def log_group_name(fleet: str, stack: str, cluster: str) -> str:
    """Where the logs of a cluster's hosts are; logs of all else are beside ``hosts``."""
    return f"/ops/{fleet}/{stack}/hosts/{cluster}"


def pins_key(cluster: str) -> str:
    """The object of the stack's bucket that says which package versions a new host of the cluster takes at boot."""
    return f"bundles/pins/{cluster}.json"


def state_bucket(url: str) -> str:
    """The bucket of a state at ``s3://bucket/…``, empty for a state elsewhere.

    The key that encrypts the state (``alias/BUCKET``) and the table of leases bear its name too.
    """
    return url.removeprefix("s3://").partition("?")[0].partition("/")[0] if url.startswith("s3://") else ""


def tags(fleet: str, stack: str, cluster: str = "") -> Mapping[str, str]:
    """Tags that every resource of the stack carries."""
    base = {TAG_FLEET: fleet, TAG_STACK: stack}
    return {**base, TAG_CLUSTER: cluster} if cluster else base


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most of AWS's APIs take them."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tag_filters(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Filters for what bears all these tags."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in values.items()]
