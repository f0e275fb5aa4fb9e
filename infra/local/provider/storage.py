"""S3 buckets with their settings and objects."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from quartermaster.infra.local.provider.identity import same_document
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags

__all__ = ["KINDS", "setting"]

_NAME = Limit(
    r"(?!xn--|sthree-)(?!.*(-s3alias|--ol-s3)$)(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit",
)


def _create_bucket(api: Api, given: Given) -> str:
    # us-east-1 is the one region that refuses its own name as a location constraint.
    place = {} if api.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": api.region}}
    s3 = api.client("s3")
    s3.create_bucket(Bucket=given["bucket"], **place)
    _tag_bucket(api, given["bucket"], {}, given)
    return str(given["bucket"])


def _read_bucket(api: Api, id_: str, given: Given) -> State | None:
    s3 = api.client("s3")
    s3.head_bucket(Bucket=id_)
    try:
        tags = as_map(s3.get_bucket_tagging(Bucket=id_)["TagSet"])
    except s3.exceptions.ClientError as exc:
        if exc.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        tags = {}
    return {
        "arn": f"arn:aws:s3:::{id_}",
        "bucket": id_,
        "bucketRegionalDomainName": f"{id_}.s3.{api.region}.amazonaws.com",
        **read_tags(tags),
    }


def _tag_bucket(api: Api, id_: str, old: Given, new: Given) -> None:
    if (old.get("tags") or {}) == (new.get("tags") or {}):
        return
    s3 = api.client("s3")
    if new.get("tags"):
        s3.put_bucket_tagging(Bucket=id_, Tagging={"TagSet": as_list(new["tags"])})
    else:
        s3.delete_bucket_tagging(Bucket=id_)


def _delete_bucket(api: Api, id_: str, state: Given) -> None:
    s3 = api.client("s3")
    if state.get("forceDestroy"):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=id_):
            entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            doomed = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in entries]
            if doomed:
                s3.delete_objects(Bucket=id_, Delete={"Objects": doomed, "Quiet": True})
    s3.delete_bucket(Bucket=id_)


def _put_versioning(api: Api, given: Given) -> str:
    status = given["versioningConfiguration"]["status"]
    api.client("s3").put_bucket_versioning(Bucket=given["bucket"], VersioningConfiguration={"Status": status})
    return str(given["bucket"])


def _read_versioning(api: Api, id_: str, given: Given) -> State | None:
    status = api.client("s3").get_bucket_versioning(Bucket=id_).get("Status", "Disabled")
    return {"bucket": id_, "versioningConfiguration": {"status": status}}


def _drop_versioning(api: Api, id_: str, state: Given) -> None:
    api.client("s3").put_bucket_versioning(Bucket=id_, VersioningConfiguration={"Status": "Suspended"})


def _put_encryption(api: Api, given: Given) -> str:
    api.client("s3").put_bucket_encryption(
        Bucket=given["bucket"], ServerSideEncryptionConfiguration={"Rules": [_rule(rule) for rule in given["rules"]]}
    )
    return str(given["bucket"])


def _rule(rule: Given) -> dict[str, Any]:
    default = rule["applyServerSideEncryptionByDefault"]
    key = {"KMSMasterKeyID": default["kmsMasterKeyId"]} if default.get("kmsMasterKeyId") else {}
    return {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": default["sseAlgorithm"], **key},
        "BucketKeyEnabled": bool(rule.get("bucketKeyEnabled", False)),
    }


def _read_encryption(api: Api, id_: str, given: Given) -> State | None:
    answer = api.client("s3").get_bucket_encryption(Bucket=id_)["ServerSideEncryptionConfiguration"]
    rules = []
    for rule in answer["Rules"]:
        default = rule["ApplyServerSideEncryptionByDefault"]
        found = {"sseAlgorithm": default["SSEAlgorithm"], "kmsMasterKeyId": default.get("KMSMasterKeyID", "")}
        rules.append(
            {
                "applyServerSideEncryptionByDefault": {name: value for name, value in found.items() if value},
                "bucketKeyEnabled": bool(rule.get("BucketKeyEnabled", False)),
            }
        )
    return {"bucket": id_, "rules": rules}


def _drop_encryption(api: Api, id_: str, state: Given) -> None:
    api.client("s3").delete_bucket_encryption(Bucket=id_)


_BLOCKS = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


def _put_block(api: Api, given: Given) -> str:
    flags = {theirs: bool(given.get(ours, False)) for ours, theirs in _BLOCKS.items()}
    api.client("s3").put_public_access_block(Bucket=given["bucket"], PublicAccessBlockConfiguration=flags)
    return str(given["bucket"])


def _read_block(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("s3").get_public_access_block(Bucket=id_)["PublicAccessBlockConfiguration"]
    return {"bucket": id_, **{ours: found[theirs] for ours, theirs in _BLOCKS.items()}}


def _drop_block(api: Api, id_: str, state: Given) -> None:
    api.client("s3").delete_public_access_block(Bucket=id_)


def _put_policy(api: Api, given: Given) -> str:
    api.client("s3").put_bucket_policy(Bucket=given["bucket"], Policy=given["policy"])
    return str(given["bucket"])


def _read_policy(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("s3").get_bucket_policy(Bucket=id_)["Policy"]
    return {"bucket": id_, "policy": same_document(given.get("policy"), found)}


def _drop_policy(api: Api, id_: str, state: Given) -> None:
    api.client("s3").delete_bucket_policy(Bucket=id_)


def _body(given: Given) -> bytes:
    source = given.get("source")
    if source is not None:
        return Path(source["path"]).read_bytes() if source.get("path") else str(source.get("text", "")).encode()
    if "contentBase64" in given:
        return base64.b64decode(given["contentBase64"])
    return str(given.get("content", "")).encode()


def _put_object(api: Api, given: Given) -> str:
    more = {"ContentType": given["contentType"]} if given.get("contentType") else {}
    if given.get("tags"):
        more["Tagging"] = urlencode(given["tags"])
    api.client("s3").put_object(Bucket=given["bucket"], Key=given["key"], Body=_body(given), **more)
    return f"{given['bucket']}/{given['key']}"


def _read_object(api: Api, id_: str, given: Given) -> State | None:
    place = {"Bucket": given["bucket"], "Key": given["key"]}
    found = api.client("s3").head_object(**place)
    tags = as_map(api.client("s3").get_object_tagging(**place)["TagSet"])
    return {
        "arn": f"arn:aws:s3:::{given['bucket']}/{given['key']}",
        "bucket": given["bucket"],
        "key": given["key"],
        "etag": found["ETag"].strip('"'),
        "contentType": found["ContentType"],
        "versionId": found.get("VersionId", ""),
        **read_tags(tags),
    }


def _delete_object(api: Api, id_: str, state: Given) -> None:
    """All versions of it, as the real provider does with forceDestroy and as a bucket without versions needs."""
    s3, bucket, key = api.client("s3"), state["bucket"], state["key"]
    found = s3.list_object_versions(Bucket=bucket, Prefix=key)
    for item in (*found.get("Versions", []), *found.get("DeleteMarkers", [])):
        if item["Key"] == key:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=item["VersionId"])


def setting(
    name: str,
    put: Callable[[Api, Given], str],
    read: Callable[[Api, str, Given], State | None],
    drop: Callable[[Api, str, Given], None],
    live: str,
    *,
    refuse: Callable[[Given], Iterable[tuple[str, str]]] = lambda given: (),
) -> Kind:
    """A type that is a setting of a bucket: creating and changing it are one call."""
    token = f"aws:s3/{name[0].lower()}{name[1:]}:{name}"
    return Kind(
        token, create=put, read=read, delete=drop, update=again(put), fixed="bucket", live=live, needs="bucket",
        name="bucket", refuse=refuse,
    )  # fmt: skip


KINDS = (
    Kind(
        "aws:s3/bucket:Bucket",
        create=_create_bucket,
        read=_read_bucket,
        update=_tag_bucket,
        delete=_delete_bucket,
        fixed="bucket",
        live="forceDestroy tags",
        needs="bucket",
        name="bucket",
        limits={"bucket": _NAME},
    ),
    setting("BucketVersioning", _put_versioning, _read_versioning, _drop_versioning, "versioningConfiguration"),
    setting("BucketServerSideEncryptionConfiguration", _put_encryption, _read_encryption, _drop_encryption, "rules"),
    setting("BucketPublicAccessBlock", _put_block, _read_block, _drop_block, " ".join(_BLOCKS)),
    setting("BucketPolicy", _put_policy, _read_policy, _drop_policy, "policy"),
    Kind(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        create=_put_object,
        read=_read_object,
        update=again(_put_object),
        delete=_delete_object,
        fixed="bucket key",
        live="source content contentBase64 contentType sourceHash tags",
        needs="bucket key",
        name="key",
    ),
)
