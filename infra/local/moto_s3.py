"""Replication between buckets, which moto keeps as a setting only: here objects and delete markers are copied.

Between real regions that takes seconds to minutes; here it is done when the write is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["install"]


def install() -> None:
    """Teach moto, in this process, before its server starts. Call once."""
    from moto.s3.models import S3Backend
    from moto.s3.responses import S3Response

    put, delete = S3Backend.put_object, S3Backend.delete_object

    def put_object(self: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        stored = put(self, bucket_name, key_name, *args, **kwargs)
        for rule, target in _rules(self, bucket_name, key_name):
            if rule["Status"] == "Enabled":
                self.copy_object(stored, target, key_name)
        return stored

    def delete_object(
        self: Any, bucket_name: str, key_name: str, version_id: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        gone = delete(self, bucket_name, key_name, version_id, *args, **kwargs)
        for rule, target in _rules(self, bucket_name, key_name):
            marks = (rule.get("DeleteMarkerReplication") or {}).get("Status") == "Enabled"
            # A version that is deleted is deleted on one side only.
            if rule["Status"] == "Enabled" and marks and version_id is None:
                delete(self, target, key_name)
        return gone

    methods: Any = S3Backend, S3Response
    methods[0].put_object, methods[0].delete_object = put_object, delete_object
    methods[1].get_bucket_replication = _get_bucket_replication


def _rules(backend: Any, bucket: str, key: str) -> Iterator[tuple[dict[str, Any], str]]:
    found = backend.get_bucket_replication(bucket)
    for rule in found["Rule"] if found else ():
        if key.startswith((rule.get("Filter") or {}).get("Prefix") or ""):
            yield rule, rule["Destination"]["Bucket"].rpartition(":")[2]


def _get_bucket_replication(self: Any) -> Any:
    """As moto's, with the parts that it answers the same for every rule."""
    from moto.core.responses import ActionResult
    from moto.s3.exceptions import ReplicationConfigurationNotFoundError

    self.data["Action"] = "GetBucketReplication"
    replication = self.backend.get_bucket_replication(self.bucket_name)
    if not replication:
        raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
    told = ("ID", "Priority", "Status", "Destination", "DeleteMarkerReplication", "SourceSelectionCriteria")
    rules = [
        {
            **{name: rule[name] for name in told if name in rule},
            "Filter": {"Prefix": (rule.get("Filter") or {}).get("Prefix") or ""},
        }
        for rule in replication["Rule"]
    ]
    answer = {"ReplicationConfiguration": {"Role": replication["Role"], "Rules": rules}}
    return self.serialized(ActionResult(answer))
