"""What becomes of a bucket's objects: who owns them, how long they stay, where they are copied to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.inputs import items
from quartermaster.infra.local.provider.kind import Api, Given, State
from quartermaster.infra.local.provider.storage import setting

__all__ = ["KINDS"]

_LEAST_DAYS = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
_EXPIRATION = {"days": "Days", "date": "Date", "expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}


def _put_ownership(api: Api, given: Given) -> str:
    rules = {"Rules": [{"ObjectOwnership": given["rule"]["objectOwnership"]}]}
    api.client("s3").put_bucket_ownership_controls(Bucket=given["bucket"], OwnershipControls=rules)
    return str(given["bucket"])


def _read_ownership(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("s3").get_bucket_ownership_controls(Bucket=id_)["OwnershipControls"]["Rules"]
    return {"bucket": id_, "rule": {"objectOwnership": found[0]["ObjectOwnership"]}}


def _drop_ownership(api: Api, id_: str, state: Given) -> None:
    api.client("s3").delete_bucket_ownership_controls(Bucket=id_)


def _put_lifecycle(api: Api, given: Given) -> str:
    api.client("s3").put_bucket_lifecycle_configuration(
        Bucket=given["bucket"], LifecycleConfiguration={"Rules": [_lifecycle(rule) for rule in given["rules"]]}
    )
    return str(given["bucket"])


def _lifecycle(rule: Given) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ID": rule["id"],
        "Status": rule["status"],
        "Filter": {"Prefix": (rule.get("filter") or {}).get("prefix", "")},
    }
    if rule.get("expiration"):
        made["Expiration"] = {
            theirs: rule["expiration"][ours] for ours, theirs in _EXPIRATION.items() if ours in rule["expiration"]
        }
    if rule.get("noncurrentVersionExpiration"):
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["noncurrentVersionExpiration"]["noncurrentDays"]}
    if rule.get("abortIncompleteMultipartUpload"):
        days = rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"]
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    if rule.get("transitions"):
        made["Transitions"] = [{"Days": it["days"], "StorageClass": it["storageClass"]} for it in rule["transitions"]]
    return made


def _read_lifecycle(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("s3").get_bucket_lifecycle_configuration(Bucket=id_)["Rules"]
    return {"bucket": id_, "rules": [_read_rule(rule) for rule in found]}


def _read_rule(rule: Given) -> State:
    state: State = {
        "id": rule["ID"],
        "status": rule["Status"],
        "filter": {"prefix": (rule.get("Filter") or {}).get("Prefix", "")},
    }
    if rule.get("Expiration"):
        found = rule["Expiration"]
        state["expiration"] = {ours: found[theirs] for ours, theirs in _EXPIRATION.items() if theirs in found}
    if rule.get("NoncurrentVersionExpiration"):
        state["noncurrentVersionExpiration"] = {"noncurrentDays": rule["NoncurrentVersionExpiration"]["NoncurrentDays"]}
    if rule.get("AbortIncompleteMultipartUpload"):
        days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        state["abortIncompleteMultipartUpload"] = {"daysAfterInitiation": days}
    if rule.get("Transitions"):
        state["transitions"] = [
            {"days": found["Days"], "storageClass": found["StorageClass"]} for found in rule["Transitions"]
        ]
    return state


def _drop_lifecycle(api: Api, id_: str, state: Given) -> None:
    api.client("s3").delete_bucket_lifecycle(Bucket=id_)


def _refuse_lifecycle(given: Given) -> Iterator[tuple[str, str]]:
    for rule in items(given.get("rules")):
        for move in rule.get("transitions") or ():
            least, days = _LEAST_DAYS.get(move.get("storageClass"), 0), move.get("days")
            if isinstance(days, int) and days < least:
                yield "rules", f"{days} days until {move['storageClass']}; {least} or more"
        gone = rule.get("expiration") or {}
        if gone.get("expiredObjectDeleteMarker") and (gone.get("days") or gone.get("date")):
            yield "rules", "a rule expires objects by days, or the marks of deleted ones"
        later, until = rule.get("transitions") or (), gone.get("days")
        if isinstance(until, int) and any(
            isinstance(move.get("days"), int) and move["days"] >= until for move in later
        ):
            yield "rules", "objects would expire before they move"


def _put_replication(api: Api, given: Given) -> str:
    s3 = api.client("s3")
    # moto takes what AWS refuses: both buckets must keep versions.
    targets = [rule["destination"]["bucket"].rpartition(":")[2] for rule in given["rules"]]
    for bucket in (given["bucket"], *targets):
        if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            raise ValueError(f"AWS refuses it: versioning must be enabled on bucket {bucket} to replicate")
    s3.put_bucket_replication(
        Bucket=given["bucket"],
        ReplicationConfiguration={"Role": given["role"], "Rules": [_replication(rule) for rule in given["rules"]]},
    )
    return str(given["bucket"])


def _replication(rule: Given) -> dict[str, Any]:
    target = rule["destination"]
    destination: dict[str, Any] = {"Bucket": target["bucket"]}
    if target.get("encryptionConfiguration"):
        key = target["encryptionConfiguration"]["replicaKmsKeyId"]
        destination["EncryptionConfiguration"] = {"ReplicaKmsKeyID": key}
    made: dict[str, Any] = {
        "ID": rule["id"],
        "Status": rule["status"],
        "Priority": rule.get("priority", 1),
        "Filter": {"Prefix": (rule.get("filter") or {}).get("prefix", "")},
        "Destination": destination,
        "DeleteMarkerReplication": {"Status": (rule.get("deleteMarkerReplication") or {}).get("status", "Disabled")},
    }
    chosen = (rule.get("sourceSelectionCriteria") or {}).get("sseKmsEncryptedObjects")
    if chosen:
        made["SourceSelectionCriteria"] = {"SseKmsEncryptedObjects": {"Status": chosen["status"]}}
    return made


def _read_replication(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("s3").get_bucket_replication(Bucket=id_)["ReplicationConfiguration"]
    declared = {rule["id"]: rule for rule in given.get("rules") or ()}
    rules = [_read_replicated(rule, declared.get(rule["ID"], {})) for rule in found["Rules"]]
    return {"bucket": id_, "role": found["Role"], "rules": rules}


def _read_replicated(rule: Given, declared: Given) -> State:
    found = rule["Destination"]
    destination: State = {"bucket": found["Bucket"]}
    if found.get("EncryptionConfiguration"):
        key = found["EncryptionConfiguration"]["ReplicaKmsKeyID"]
        destination["encryptionConfiguration"] = {"replicaKmsKeyId": key}
    state: State = {
        "id": rule["ID"],
        "status": rule["Status"],
        "priority": int(rule.get("Priority", 1)),
        "destination": destination,
        "filter": {"prefix": (rule.get("Filter") or {}).get("Prefix", "")},
        "deleteMarkerReplication": {"status": (rule.get("DeleteMarkerReplication") or {}).get("Status", "Disabled")},
    }
    chosen = (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects")
    if chosen:
        state["sourceSelectionCriteria"] = {"sseKmsEncryptedObjects": {"status": chosen["Status"]}}
    return state


def _drop_replication(api: Api, id_: str, state: Given) -> None:
    api.client("s3").delete_bucket_replication(Bucket=id_)


def _refuse_replication(given: Given) -> Iterator[tuple[str, str]]:
    for rule in items(given.get("rules")):
        target = rule.get("destination") or {}
        chosen = (rule.get("sourceSelectionCriteria") or {}).get("sseKmsEncryptedObjects") or {}
        if chosen.get("status") == "Enabled" and not target.get("encryptionConfiguration"):
            yield "rules", "objects under a KMS key are copied only to a key that is named: encryptionConfiguration"
        if "filter" in rule and "deleteMarkerReplication" not in rule:
            yield "rules", "a rule with a filter says what becomes of delete markers: deleteMarkerReplication"


KINDS = (
    setting("BucketOwnershipControls", _put_ownership, _read_ownership, _drop_ownership, "rule"),
    setting(
        "BucketLifecycleConfiguration",
        _put_lifecycle,
        _read_lifecycle,
        _drop_lifecycle,
        "rules",
        refuse=_refuse_lifecycle,
    ),
    setting(
        "BucketReplicationConfig",
        _put_replication,
        _read_replication,
        _drop_replication,
        "role rules",
        refuse=_refuse_replication,
    ),
)
