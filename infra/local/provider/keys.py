"""KMS keys and aliases, and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.identity import same_document
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists, split

__all__ = ["KINDS"]


def _create_key(api: Api, given: Given) -> str:
    kms = api.client("kms")
    optional = {"Policy": given["policy"]} if given.get("policy") else {}
    answer = kms.create_key(
        Description=given.get("description", ""),
        Tags=as_list(given.get("tags"), key="TagKey", value="TagValue"),
        **optional,
    )
    id_: str = answer["KeyMetadata"]["KeyId"]
    if given.get("enableKeyRotation"):
        kms.enable_key_rotation(KeyId=id_)
    return id_


def _read_key(api: Api, id_: str, given: Given) -> State | None:
    kms = api.client("kms")
    found = kms.describe_key(KeyId=id_)["KeyMetadata"]
    if found["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    policy = kms.get_key_policy(KeyId=id_, PolicyName="default")["Policy"]
    return {
        "arn": found["Arn"],
        "keyId": id_,
        "description": found["Description"],
        "enableKeyRotation": kms.get_key_rotation_status(KeyId=id_)["KeyRotationEnabled"],
        "policy": same_document(given.get("policy"), policy),
        **read_tags(as_map(kms.list_resource_tags(KeyId=id_)["Tags"], key="TagKey", value="TagValue")),
    }


def _update_key(api: Api, id_: str, old: Given, new: Given) -> None:
    kms = api.client("kms")
    rotate = bool(new.get("enableKeyRotation"))
    if rotate != bool(old.get("enableKeyRotation")):
        (kms.enable_key_rotation if rotate else kms.disable_key_rotation)(KeyId=id_)
    if new.get("description", "") != old.get("description", ""):
        kms.update_key_description(KeyId=id_, Description=new.get("description", ""))
    if new.get("policy") and new.get("policy") != old.get("policy"):
        kms.put_key_policy(KeyId=id_, PolicyName="default", Policy=new["policy"])
    put, drop = split(old, new)
    if put:
        kms.tag_resource(KeyId=id_, Tags=as_list(put, key="TagKey", value="TagValue"))
    if drop:
        kms.untag_resource(KeyId=id_, TagKeys=drop)


def _delete_key(api: Api, id_: str, state: Given) -> None:
    kms = api.client("kms")
    if kms.describe_key(KeyId=id_)["KeyMetadata"]["KeyState"] != "PendingDeletion":
        # As on AWS, a key is never deleted at once.
        kms.schedule_key_deletion(KeyId=id_, PendingWindowInDays=int(state.get("deletionWindowInDays", 30)))


def _create_alias(api: Api, given: Given) -> str:
    api.client("kms").create_alias(AliasName=given["name"], TargetKeyId=given["targetKeyId"])
    return str(given["name"])


def _read_alias(api: Api, id_: str, given: Given) -> State | None:
    pages = api.client("kms").get_paginator("list_aliases").paginate()
    for alias in (item for page in pages for item in page["Aliases"]):
        if alias["AliasName"] == id_ and alias.get("TargetKeyId"):
            return {"arn": alias["AliasArn"], "name": id_, "targetKeyId": alias["TargetKeyId"]}
    return None


def _update_alias(api: Api, id_: str, old: Given, new: Given) -> None:
    api.client("kms").update_alias(AliasName=id_, TargetKeyId=new["targetKeyId"])


def _delete_alias(api: Api, id_: str, state: Given) -> None:
    if _read_alias(api, id_, state) is not None:
        api.client("kms").delete_alias(AliasName=id_)


def _create_secret(api: Api, given: Given) -> str:
    optional: dict[str, Any] = {"KmsKeyId": given["kmsKeyId"]} if given.get("kmsKeyId") else {}
    if given.get("replicas"):
        optional["AddReplicaRegions"] = [_copy(item) for item in given["replicas"]]
    answer = api.client("secretsmanager").create_secret(
        Name=given["name"],
        Description=given.get("description", ""),
        Tags=as_list(given.get("tags")),
        **optional,
    )
    return str(answer["ARN"])


def _copy(replica: Given) -> dict[str, str]:
    key = {"KmsKeyId": replica["kmsKeyId"]} if replica.get("kmsKeyId") else {}
    return {"Region": replica["region"], **key}


def _read_secret(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("secretsmanager").describe_secret(SecretId=id_)
    if found.get("DeletedDate"):
        return None
    state = {
        "arn": found["ARN"],
        "name": found["Name"],
        "description": found.get("Description", ""),
        "replicas": [
            {"region": row["Region"], **({"kmsKeyId": row["KmsKeyId"]} if row.get("KmsKeyId") else {})}
            for row in found.get("ReplicationStatus") or ()
        ],
        **read_tags(as_map(found.get("Tags"))),
    }
    return {**state, "kmsKeyId": found["KmsKeyId"]} if found.get("KmsKeyId") else state


def _update_secret(api: Api, id_: str, old: Given, new: Given) -> None:
    client = api.client("secretsmanager")
    changed = {
        theirs: new[ours]
        for ours, theirs in (("description", "Description"), ("kmsKeyId", "KmsKeyId"))
        if ours in new and new[ours] != old.get(ours)
    }
    if changed:
        client.update_secret(SecretId=id_, **changed)
    before = {item["region"]: item for item in old.get("replicas") or ()}
    after = {item["region"]: item for item in new.get("replicas") or ()}
    if added := [_copy(after[region]) for region in sorted(after.keys() - before.keys())]:
        client.replicate_secret_to_regions(SecretId=id_, AddReplicaRegions=added)
    if gone := sorted(before.keys() - after.keys()):
        client.remove_regions_from_replication(SecretId=id_, RemoveReplicaRegions=gone)
    retag_lists(client.tag_resource, client.untag_resource, old, new, SecretId=id_)


def _delete_secret(api: Api, id_: str, state: Given) -> None:
    days = int(state.get("recoveryWindowInDays", 30))
    how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    if copies := [item["region"] for item in state.get("replicas") or ()]:
        # A secret with copies is not deleted.
        api.client("secretsmanager").remove_regions_from_replication(SecretId=id_, RemoveReplicaRegions=copies)
    api.client("secretsmanager").delete_secret(SecretId=id_, **how)


def _put_version(api: Api, given: Given) -> str:
    answer = api.client("secretsmanager").put_secret_value(
        SecretId=given["secretId"], SecretString=given["secretString"]
    )
    return f"{given['secretId']}|{answer['VersionId']}"


def _read_version(api: Api, id_: str, given: Given) -> State | None:
    secret, _, version = id_.rpartition("|")
    found = api.client("secretsmanager").get_secret_value(SecretId=secret, VersionId=version)
    return {
        "arn": found["ARN"],
        "secretId": secret,
        "secretString": found["SecretString"],
        "versionId": version,
    }


def _delete_version(api: Api, id_: str, state: Given) -> None:
    """A version cannot be deleted: it goes with its secret."""


def _refuse_key(given: Given) -> Iterator[tuple[str, str]]:
    days = given.get("deletionWindowInDays")
    if isinstance(days, int) and not 7 <= days <= 30:
        yield "deletionWindowInDays", f"{days} days until a key is deleted; 7 to 30"


def _refuse_secret(given: Given) -> Iterator[tuple[str, str]]:
    days = given.get("recoveryWindowInDays")
    if isinstance(days, int) and days and not 7 <= days <= 30:
        yield "recoveryWindowInDays", f"{days} days until a secret is deleted; 7 to 30, or 0 for at once"


KINDS = (
    Kind(
        "aws:kms/key:Key",
        create=_create_key,
        read=_read_key,
        update=_update_key,
        delete=_delete_key,
        live="description enableKeyRotation policy deletionWindowInDays tags",
        refuse=_refuse_key,
    ),
    Kind(
        "aws:kms/alias:Alias",
        create=_create_alias,
        read=_read_alias,
        update=_update_alias,
        delete=_delete_alias,
        fixed="name",
        live="targetKeyId",
        needs="name targetKeyId",
        name="name",
        limits={"name": Limit(r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}", "alias/ and letters, digits, /, _ and -")},
    ),
    Kind(
        "aws:secretsmanager/secret:Secret",
        create=_create_secret,
        read=_read_secret,
        update=_update_secret,
        delete=_delete_secret,
        fixed="name",
        live="description kmsKeyId recoveryWindowInDays replicas tags",
        needs="name",
        name="name",
        limits={"name": Limit(r"[a-zA-Z0-9/_+=.@-]{1,512}", "up to 512 letters, digits and /_+=.@-")},
        refuse=_refuse_secret,
    ),
    Kind(
        "aws:secretsmanager/secretVersion:SecretVersion",
        create=_put_version,
        read=_read_version,
        delete=_delete_version,
        fixed="secretId secretString",
        needs="secretId secretString",
    ),
)
