"""DynamoDB tables, with their replicas in other regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, absent
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists

__all__ = ["KINDS"]


def _table(api: Api, name: str, region: str = "") -> dict[str, Any]:
    client = api.connect("dynamodb", region) if region else api.client("dynamodb")
    found: dict[str, Any] = client.describe_table(TableName=name)["Table"]
    return found


def _active(api: Api, name: str) -> None:
    api.wait(f"table {name} is active", lambda: _table(api, name)["TableStatus"] == "ACTIVE")


def _create(api: Api, given: Given) -> str:
    dynamodb, name = api.client("dynamodb"), given["name"]
    stream = {
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": given.get("streamViewType")}
    } if given.get("streamEnabled") else {}  # fmt: skip
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": given["hashKey"], "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": item["name"], "AttributeType": item["type"]} for item in given["attributes"]
        ],
        BillingMode=given.get("billingMode", "PROVISIONED"),
        SSESpecification=_encryption(given),
        DeletionProtectionEnabled=bool(given.get("deletionProtectionEnabled", False)),
        Tags=as_list(given.get("tags")),
        **stream,
    )
    _active(api, name)
    _put_recovery(api, name, given.get("pointInTimeRecovery"))
    for replica in given.get("replicas") or ():
        _create_replica(api, name, given, replica)
    return str(name)


def _encryption(given: Given) -> dict[str, Any]:
    wanted = given.get("serverSideEncryption") or {}
    sse: dict[str, Any] = {"Enabled": bool(wanted.get("enabled"))}
    return sse | {"SSEType": "KMS", "KMSMasterKeyId": wanted["kmsKeyArn"]} if wanted.get("kmsKeyArn") else sse


def _put_recovery(api: Api, name: str, wanted: Any, region: str = "") -> None:
    client = api.connect("dynamodb", region) if region else api.client("dynamodb")
    client.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": bool((wanted or {}).get("enabled"))},
    )


def _create_replica(api: Api, name: str, given: Given, replica: Given) -> None:
    region = replica["regionName"]
    key = {"KMSMasterKeyId": replica["kmsKeyArn"]} if replica.get("kmsKeyArn") else {}
    api.client("dynamodb").update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region, **key}}])

    def active() -> bool:
        rows = _table(api, name).get("Replicas", [])
        return any(row["RegionName"] == region and row["ReplicaStatus"] == "ACTIVE" for row in rows)

    api.wait(f"the replica of table {name} in {region} is active", active)
    _settle_replica(api, name, given, {}, replica)


def _settle_replica(api: Api, name: str, given: Given, old: Given, new: Given) -> None:
    """What a replica has of its own: restore point, protection, tags."""
    region = new["regionName"]
    client = api.connect("dynamodb", region)
    if new.get("pointInTimeRecovery") != old.get("pointInTimeRecovery"):
        _put_recovery(api, name, {"enabled": new.get("pointInTimeRecovery")}, region)
    if new.get("deletionProtectionEnabled") != old.get("deletionProtectionEnabled"):
        client.update_table(TableName=name, DeletionProtectionEnabled=bool(new.get("deletionProtectionEnabled")))
    if new.get("propagateTags") and given.get("tags"):
        client.tag_resource(ResourceArn=_table(api, name, region)["TableArn"], Tags=as_list(given["tags"]))


def _delete_replica(api: Api, name: str, region: str) -> None:
    api.client("dynamodb").update_table(TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": region}}])
    api.wait(
        f"the replica of table {name} in {region} is gone",
        lambda: all(row["RegionName"] != region for row in _table(api, name).get("Replicas", [])),
    )


def _restorable(api: Api, name: str, region: str = "") -> bool:
    client = api.connect("dynamodb", region) if region else api.client("dynamodb")
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return bool(backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED")


def _read(api: Api, id_: str, given: Given) -> State | None:
    dynamodb = api.client("dynamodb")
    found = _table(api, id_)
    stream = found.get("StreamSpecification") or {}
    sse = found.get("SSEDescription") or {}
    state: State = {
        "arn": found["TableArn"],
        "name": id_,
        "hashKey": found["KeySchema"][0]["AttributeName"],
        "attributes": [
            {"name": item["AttributeName"], "type": item["AttributeType"]} for item in found["AttributeDefinitions"]
        ],
        "billingMode": (found.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
        "deletionProtectionEnabled": found.get("DeletionProtectionEnabled", False),
        "pointInTimeRecovery": {"enabled": _restorable(api, id_)},
        "serverSideEncryption": {
            "enabled": sse.get("Status") == "ENABLED",
            "kmsKeyArn": sse.get("KMSMasterKeyArn", ""),
        },
        "replicas": [_read_replica(api, id_, given, row) for row in found.get("Replicas", [])],
        **read_tags(as_map(dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"])),
    }
    if stream.get("StreamEnabled"):
        state |= {"streamEnabled": True, "streamViewType": stream["StreamViewType"]}
    return state


def _read_replica(api: Api, name: str, given: Given, row: Given) -> State:
    region = row["RegionName"]
    there = _table(api, name, region)
    declared = {item["regionName"]: item for item in given.get("replicas") or ()}.get(region, {})
    return {
        "regionName": region,
        "arn": there["TableArn"],
        "kmsKeyArn": row.get("KMSMasterKeyId", ""),
        "pointInTimeRecovery": _restorable(api, name, region),
        "deletionProtectionEnabled": there.get("DeletionProtectionEnabled", False),
        # A wish of the provider's that no API tells.
        "propagateTags": declared.get("propagateTags", False),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    dynamodb = api.client("dynamodb")
    if new.get("pointInTimeRecovery") != old.get("pointInTimeRecovery"):
        _put_recovery(api, id_, new.get("pointInTimeRecovery"))
    protect = bool(new.get("deletionProtectionEnabled", False))
    if protect != bool(old.get("deletionProtectionEnabled", False)):
        dynamodb.update_table(TableName=id_, DeletionProtectionEnabled=protect)
    if new.get("streamEnabled") and not old.get("streamEnabled"):
        stream = {"StreamEnabled": True, "StreamViewType": new["streamViewType"]}
        dynamodb.update_table(TableName=id_, StreamSpecification=stream)
    if new.get("serverSideEncryption") != old.get("serverSideEncryption"):
        dynamodb.update_table(TableName=id_, SSESpecification=_encryption(new))
    before = {item["regionName"]: item for item in old.get("replicas") or ()}
    after = {item["regionName"]: item for item in new.get("replicas") or ()}
    for region in before.keys() - after.keys():
        _delete_replica(api, id_, region)
    for region, replica in after.items():
        if region not in before:
            _create_replica(api, id_, new, replica)
        else:
            _settle_replica(api, id_, new, before[region], replica)
    arn = _table(api, id_)["TableArn"]
    retag_lists(dynamodb.tag_resource, dynamodb.untag_resource, old, new, ResourceArn=arn)


def _delete(api: Api, id_: str, state: Given) -> None:
    dynamodb = api.client("dynamodb")
    for row in _table(api, id_).get("Replicas", []):
        _delete_replica(api, id_, row["RegionName"])
    dynamodb.delete_table(TableName=id_)
    api.wait(f"table {id_} is deleted", lambda: absent(lambda: _table(api, id_)))


def _refuse(given: Given) -> Iterator[tuple[str, str]]:
    replicas = given.get("replicas")
    rows = [row for row in replicas if isinstance(row, dict)] if isinstance(replicas, list) else []
    key: Any = given.get("serverSideEncryption")
    home = key["kmsKeyArn"].split(":")[3] if isinstance(key, dict) and _is_arn(key.get("kmsKeyArn")) else ""
    for row in rows:
        if row.get("regionName") in (given.get("region"), home):
            yield "replicas", f"{row['regionName']} is the table's own region"
        if isinstance(key, dict) and key.get("kmsKeyArn") and not row.get("kmsKeyArn"):
            yield "replicas", "a table with a key of its own needs one in each region of a replica"
    if rows and given.get("billingMode", "PROVISIONED") == "PROVISIONED":
        yield "billingMode", "a table with replicas is paid by request, or scales its writes by itself"
    view = given.get("streamViewType")
    if rows and given.get("streamEnabled") and isinstance(view, str) and view != "NEW_AND_OLD_IMAGES":
        yield "streamViewType", "replicas are fed from a stream of NEW_AND_OLD_IMAGES"


def _is_arn(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("arn:")


KINDS = (
    Kind(
        "aws:dynamodb/table:Table",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="name hashKey attributes",
        live="billingMode pointInTimeRecovery serverSideEncryption deletionProtectionEnabled replicas streamEnabled "
        "streamViewType tags",
        needs="name hashKey attributes",
        name="name",
        limits={"name": Limit(r"[a-zA-Z0-9_.-]{3,255}", "3 to 255 letters, digits and _ . -")},
        refuse=_refuse,
    ),
)
