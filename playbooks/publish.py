"""Publishing the bundle: the content under its own name first, then the pointer in one put, so nobody reads half."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from quartermaster.fleet.errors import OpsError
from quartermaster.playbooks.bundle import Bundle

__all__ = ["POINTER", "current", "publish"]

POINTER = "bundles/current.json"


def publish(s3: Any, bucket: str, bundle: Bundle) -> bool:
    """Put the bundle and point hosts to it; whether anything changed. Changes the bucket.

    Raises OpsError when the bucket cannot be written.
    """
    there = _is_there(s3, bucket, bundle.key)
    if there and current(s3, bucket) == bundle.sha256:
        return False
    pointer = json.dumps({"key": bundle.key, "sha256": bundle.sha256})
    try:
        if not there:
            s3.put_object(Bucket=bucket, Key=bundle.key, Body=bundle.content, ContentType="application/gzip")
        s3.put_object(
            Bucket=bucket, Key=POINTER, Body=pointer.encode(), ContentType="application/json", **_tagging(s3, bucket)
        )
    except s3.exceptions.ClientError as exc:
        raise OpsError(f"the bundle cannot be published to bucket {bucket}: {exc}", remedy="ops provision up") from exc
    return True


def current(s3: Any, bucket: str) -> str:
    """The SHA-256 of the bundle that hosts are pointed to; empty when there is none. Read-only."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=POINTER)
        return str(json.loads(answer["Body"].read())["sha256"])
    except s3.exceptions.ClientError as exc:
        if exc.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
            return ""
        raise OpsError(f"bucket {bucket} cannot be read: {exc}", remedy="ops provision up") from exc


def _is_there(s3: Any, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as exc:
        if exc.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return False
        raise OpsError(f"bucket {bucket} cannot be read: {exc}", remedy="ops provision up") from exc
    return True


def _tagging(s3: Any, bucket: str) -> dict[str, str]:
    """The pointer's tags, which a put would take away: by them the stack knows what is its own."""
    try:
        tags = s3.get_object_tagging(Bucket=bucket, Key=POINTER)["TagSet"]
    except s3.exceptions.ClientError as exc:
        if exc.response["Error"]["Code"] != "NoSuchKey":
            raise
        tags = []
    return {"Tagging": urlencode({tag["Key"]: tag["Value"] for tag in tags})} if tags else {}
