"""IAM documents as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["admit", "allow", "document", "owner", "tls_only", "trust"]


def document(statements: Sequence[Mapping[str, Any]]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Sequence[str], resources: Sequence[str], **more: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def admit(sid: str, service: Any, action: Any, resource: str, **more: Any) -> dict[str, Any]:
    """A statement of a resource's own policy that lets an AWS service in, or several; so with its action."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": resource,
        **more,
    }


def owner(account: str) -> dict[str, Any]:
    """The statement of a key's policy by which the account administers it. In a key's policy ``*`` is that key."""
    return {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }


def tls_only(bucket_arn: str) -> dict[str, Any]:
    """A statement that keeps everybody without TLS from the bucket."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def trust(service: str) -> str:
    """Who may take a role: one AWS service."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return document([statement])
