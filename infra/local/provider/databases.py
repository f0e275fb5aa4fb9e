"""RDS instances with their subnet and parameter groups, and DynamoDB tables."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, split

__all__ = ["KINDS"]

_IDENTIFIER = Limit(
    r"(?!.*--)[a-z][a-z0-9-]{0,62}(?<!-)", "a lower-case letter, then up to 62 letters, digits and single hyphens"
)
_PASSWORD = Limit(r"[^/@\" ]{8,128}", "8 to 128 characters without /, @, quotation mark and space")
_CREATE = {
    "engine": "Engine",
    "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass",
    "allocatedStorage": "AllocatedStorage",
    "storageType": "StorageType",
    "storageEncrypted": "StorageEncrypted",
    "kmsKeyId": "KmsKeyId",
    "dbName": "DBName",
    "username": "MasterUsername",
    "password": "MasterUserPassword",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
    "parameterGroupName": "DBParameterGroupName",
    "multiAz": "MultiAZ",
    "publiclyAccessible": "PubliclyAccessible",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "port": "Port",
}
_MODIFY = (
    "instanceClass", "allocatedStorage", "storageType", "password", "vpcSecurityGroupIds", "parameterGroupName",
    "multiAz", "publiclyAccessible", "backupRetentionPeriod", "copyTagsToSnapshot", "deletionProtection",
    "autoMinorVersionUpgrade", "engineVersion",
)  # fmt: skip
_REPLICA = (
    "instanceClass", "publiclyAccessible", "vpcSecurityGroupIds", "multiAz", "copyTagsToSnapshot",
    "deletionProtection", "autoMinorVersionUpgrade", "storageType", "kmsKeyId",
)  # fmt: skip


def _call(given: Given, names: Any) -> dict[str, Any]:
    return {_CREATE[name]: given[name] for name in names if given.get(name) is not None}


def _instance(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return found


def _create_instance(api: Api, given: Given) -> str:
    rds, name = api.client("rds"), given["identifier"]
    tags = as_list(given.get("tags"))
    if given.get("replicateSourceDb"):
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=name,
            SourceDBInstanceIdentifier=given["replicateSourceDb"],
            Tags=tags,
            **_call(given, _REPLICA),
        )
    else:
        rds.create_db_instance(DBInstanceIdentifier=name, Tags=tags, **_call(given, _CREATE))
    api.wait(f"database {name} is available", lambda: _instance(api, name)["DBInstanceStatus"] == "available")
    # The real provider's id is the resource id, which survives a rename.
    return str(_instance(api, name)["DbiResourceId"])


def _read_instance(api: Api, id_: str, given: Given) -> State | None:
    found = _instance(api, given["identifier"])
    if found["DBInstanceStatus"] == "deleting":
        return None
    endpoint = found.get("Endpoint") or {}
    state: State = {
        "arn": found["DBInstanceArn"],
        "identifier": found["DBInstanceIdentifier"],
        "resourceId": found["DbiResourceId"],
        "address": endpoint.get("Address", ""),
        "port": endpoint.get("Port", 0),
        "endpoint": f"{endpoint.get('Address', '')}:{endpoint.get('Port', '')}",
        "engine": found["Engine"],
        "engineVersion": _version(given, found.get("EngineVersion", "")),
        "instanceClass": found["DBInstanceClass"],
        "allocatedStorage": found["AllocatedStorage"],
        "multiAz": found.get("MultiAZ", False),
        "storageEncrypted": found.get("StorageEncrypted", False),
        "publiclyAccessible": found.get("PubliclyAccessible", False),
        "backupRetentionPeriod": found.get("BackupRetentionPeriod", 0),
        "deletionProtection": found.get("DeletionProtection", False),
        "username": found["MasterUsername"],
        "vpcSecurityGroupIds": [item["VpcSecurityGroupId"] for item in found.get("VpcSecurityGroups", [])],
        **read_tags(as_map(found.get("TagList"))),
    }
    if found.get("DBSubnetGroup"):
        state["dbSubnetGroupName"] = found["DBSubnetGroup"]["DBSubnetGroupName"]
    return state


def _version(given: Given, found: str) -> str:
    """Asked for 16, got 16.8: that is what was asked."""
    asked = str(given.get("engineVersion", ""))
    return asked if asked and (found == asked or found.startswith(f"{asked}.")) else found


def _update_instance(api: Api, id_: str, old: Given, new: Given) -> None:
    rds, name = api.client("rds"), new["identifier"]
    changed = [field for field in _MODIFY if field in new and new[field] != old.get(field)]
    if changed:
        call = _call(new, changed)
        if "engineVersion" in changed:
            call["AllowMajorVersionUpgrade"] = bool(new.get("allowMajorVersionUpgrade", False))
        rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **call)
        api.wait(f"database {name} is available", lambda: _instance(api, name)["DBInstanceStatus"] == "available")
    _retag(api, _instance(api, name)["DBInstanceArn"], old, new)


def _retag(api: Api, arn: str, old: Given, new: Given) -> None:
    put, drop = split(old, new)
    if put:
        api.client("rds").add_tags_to_resource(ResourceName=arn, Tags=as_list(put))
    if drop:
        api.client("rds").remove_tags_from_resource(ResourceName=arn, TagKeys=drop)


def _delete_instance(api: Api, id_: str, state: Given) -> None:
    rds, name = api.client("rds"), state["identifier"]
    final = state.get("finalSnapshotIdentifier")
    last = {"SkipFinalSnapshot": True} if state.get("skipFinalSnapshot") else {"FinalDBSnapshotIdentifier": final}
    if not state.get("skipFinalSnapshot") and not final:
        raise ValueError(f"{name}: a database goes only with finalSnapshotIdentifier or skipFinalSnapshot")
    if _instance(api, name)["DBInstanceStatus"] != "deleting":
        rds.delete_db_instance(DBInstanceIdentifier=name, DeleteAutomatedBackups=True, **last)

    def gone() -> bool:
        found = rds.describe_db_instances(Filters=[{"Name": "db-instance-id", "Values": [name]}])
        return not found["DBInstances"]

    api.wait(f"database {name} is deleted", gone)


def _create_group(api: Api, given: Given) -> str:
    api.client("rds").create_db_subnet_group(
        DBSubnetGroupName=given["name"],
        DBSubnetGroupDescription=given.get("description", "Managed by Pulumi"),
        SubnetIds=given["subnetIds"],
        Tags=as_list(given.get("tags")),
    )
    return str(given["name"])


def _read_group(api: Api, id_: str, given: Given) -> State | None:
    rds = api.client("rds")
    found = rds.describe_db_subnet_groups(DBSubnetGroupName=id_)["DBSubnetGroups"][0]
    return {
        "arn": found["DBSubnetGroupArn"],
        "name": found["DBSubnetGroupName"],
        "description": found["DBSubnetGroupDescription"],
        "subnetIds": sorted(item["SubnetIdentifier"] for item in found["Subnets"]),
        **read_tags(as_map(rds.list_tags_for_resource(ResourceName=found["DBSubnetGroupArn"])["TagList"])),
    }


def _update_group(api: Api, id_: str, old: Given, new: Given) -> None:
    rds = api.client("rds")
    if (old.get("subnetIds"), old.get("description")) != (new["subnetIds"], new.get("description")):
        rds.modify_db_subnet_group(
            DBSubnetGroupName=id_,
            DBSubnetGroupDescription=new.get("description", "Managed by Pulumi"),
            SubnetIds=new["subnetIds"],
        )
    arn = rds.describe_db_subnet_groups(DBSubnetGroupName=id_)["DBSubnetGroups"][0]["DBSubnetGroupArn"]
    _retag(api, arn, old, new)


def _delete_group(api: Api, id_: str, state: Given) -> None:
    rds = api.client("rds")
    api.patiently(lambda: rds.delete_db_subnet_group(DBSubnetGroupName=id_), ("InvalidDBSubnetGroupStateFault",))


def _create_table(api: Api, given: Given) -> str:
    dynamodb, name = api.client("dynamodb"), given["name"]
    encryption = given.get("serverSideEncryption") or {}
    sse: dict[str, Any] = {"Enabled": bool(encryption.get("enabled"))}
    if encryption.get("kmsKeyArn"):
        sse |= {"SSEType": "KMS", "KMSMasterKeyId": encryption["kmsKeyArn"]}
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": given["hashKey"], "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": item["name"], "AttributeType": item["type"]} for item in given["attributes"]
        ],
        BillingMode=given.get("billingMode", "PROVISIONED"),
        SSESpecification=sse,
        DeletionProtectionEnabled=bool(given.get("deletionProtectionEnabled", False)),
        Tags=as_list(given.get("tags")),
    )
    api.wait(
        f"table {name} is active",
        lambda: dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE",
    )
    _put_recovery(api, str(name), given)
    return str(name)


def _put_recovery(api: Api, name: str, given: Given) -> None:
    enabled = bool((given.get("pointInTimeRecovery") or {}).get("enabled"))
    api.client("dynamodb").update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
    )


def _read_table(api: Api, id_: str, given: Given) -> State | None:
    dynamodb = api.client("dynamodb")
    found = dynamodb.describe_table(TableName=id_)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=id_)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    return {
        "arn": found["TableArn"],
        "name": id_,
        "hashKey": found["KeySchema"][0]["AttributeName"],
        "attributes": [
            {"name": item["AttributeName"], "type": item["AttributeType"]} for item in found["AttributeDefinitions"]
        ],
        "billingMode": (found.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
        "deletionProtectionEnabled": found.get("DeletionProtectionEnabled", False),
        "pointInTimeRecovery": {"enabled": recovery == "ENABLED"},
        **read_tags(as_map(dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"])),
    }


def _update_table(api: Api, id_: str, old: Given, new: Given) -> None:
    dynamodb = api.client("dynamodb")
    if new.get("pointInTimeRecovery") != old.get("pointInTimeRecovery"):
        _put_recovery(api, id_, new)
    protect = bool(new.get("deletionProtectionEnabled", False))
    if protect != bool(old.get("deletionProtectionEnabled", False)):
        dynamodb.update_table(TableName=id_, DeletionProtectionEnabled=protect)
    arn = dynamodb.describe_table(TableName=id_)["Table"]["TableArn"]
    put, drop = split(old, new)
    if put:
        dynamodb.tag_resource(ResourceArn=arn, Tags=as_list(put))
    if drop:
        dynamodb.untag_resource(ResourceArn=arn, TagKeys=drop)


def _delete_table(api: Api, id_: str, state: Given) -> None:
    dynamodb = api.client("dynamodb")
    dynamodb.delete_table(TableName=id_)
    api.wait(f"table {id_} is deleted", lambda: id_ not in dynamodb.list_tables()["TableNames"])


KINDS = (
    Kind(
        "aws:rds/instance:Instance",
        create=_create_instance,
        read=_read_instance,
        update=_update_instance,
        delete=_delete_instance,
        fixed="identifier engine username dbName dbSubnetGroupName storageEncrypted kmsKeyId replicateSourceDb port",
        live=f"{' '.join(_MODIFY)} performanceInsightsEnabled allowMajorVersionUpgrade applyImmediately "
        "skipFinalSnapshot finalSnapshotIdentifier tags",
        needs="identifier instanceClass",
        name="identifier",
        limits={"identifier": _IDENTIFIER, "password": _PASSWORD},
    ),
    Kind(
        "aws:rds/subnetGroup:SubnetGroup",
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        fixed="name",
        live="description subnetIds tags",
        needs="name subnetIds",
        name="name",
        limits={"name": Limit(r"(?!default$)[a-z0-9._ -]{1,255}", "up to 255 lower-case letters, digits and . _ -")},
    ),
    Kind(
        "aws:dynamodb/table:Table",
        create=_create_table,
        read=_read_table,
        update=_update_table,
        delete=_delete_table,
        fixed="name hashKey attributes",
        live="billingMode pointInTimeRecovery serverSideEncryption deletionProtectionEnabled tags",
        needs="name hashKey attributes",
        name="name",
        limits={"name": Limit(r"[a-zA-Z0-9_.-]{3,255}", "3 to 255 letters, digits and _ . -")},
    ),
)
