"""RDS instances: primaries and read replicas, in their own region or another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quartermaster.infra.local.provider.database_limits import IDENTIFIER, PASSWORD, refuse
from quartermaster.infra.local.provider.kind import Api, Given, Kind, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists

__all__ = ["KINDS", "retag"]

_NAMES = {
    "engine": "Engine",
    "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass",
    "allocatedStorage": "AllocatedStorage",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "storageType": "StorageType",
    "iops": "Iops",
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
    "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "caCertIdentifier": "CACertificateIdentifier",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "port": "Port",
}
"""Inputs and how CreateDBInstance spells them."""
_MODIFY = (
    "instanceClass", "allocatedStorage", "maxAllocatedStorage", "storageType", "iops", "password",
    "vpcSecurityGroupIds", "parameterGroupName", "multiAz", "publiclyAccessible", "backupRetentionPeriod",
    "backupWindow", "maintenanceWindow", "caCertIdentifier", "copyTagsToSnapshot", "deletionProtection",
    "autoMinorVersionUpgrade", "engineVersion", "performanceInsightsEnabled", "performanceInsightsRetentionPeriod",
)  # fmt: skip
_LOGS = "enabledCloudwatchLogsExports"
_REPLICA = (
    "instanceClass", "publiclyAccessible", "vpcSecurityGroupIds", "multiAz", "copyTagsToSnapshot", "kmsKeyId",
    "deletionProtection", "autoMinorVersionUpgrade", "storageType", "dbSubnetGroupName", "caCertIdentifier", "port",
    "maxAllocatedStorage", _LOGS, "performanceInsightsEnabled", "performanceInsightsKmsKeyId",
    "performanceInsightsRetentionPeriod",
)  # fmt: skip
_REPLICA_LATER = ("parameterGroupName", "maintenanceWindow", "backupWindow", "backupRetentionPeriod")
"""CreateDBInstanceReadReplica does not take these: the real provider too sets them afterwards."""
_READ = {
    **_NAMES,
    "caCertIdentifier": "CACertificateIdentifier",
    _LOGS: "EnabledCloudwatchLogsExports",
    "performanceInsightsEnabled": "PerformanceInsightsEnabled",
}


def _call(given: Given, names: Iterable[str]) -> dict[str, Any]:
    return {_NAMES[name]: given[name] for name in names if given.get(name) is not None}


def _instance(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return found


def _create(api: Api, given: Given) -> str:
    rds, name, source = api.client("rds"), given["identifier"], given.get("replicateSourceDb")
    tags = as_list(given.get("tags"))
    if source:
        across = {"SourceRegion": source.split(":")[3]} if source.startswith("arn:") else {}
        _refuse_managed(api, source)
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=name,
            SourceDBInstanceIdentifier=source,
            Tags=tags,
            **across,
            **_call(given, _REPLICA),
        )
    else:
        rds.create_db_instance(DBInstanceIdentifier=name, Tags=tags, **_call(given, _NAMES))
    _available(api, name)
    if source and (later := _call(given, _REPLICA_LATER)):
        rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **later)
        _available(api, name)
    # The real provider's id is the resource id, which survives a rename.
    return str(_instance(api, name)["DbiResourceId"])


def _refuse_managed(api: Api, source: str) -> None:
    """What moto takes and AWS refuses: docs/adr/0008-database-logins.md."""
    there = Api(api.connect, source.split(":")[3], api.account) if source.startswith("arn:") else api
    if _instance(there, source.rpartition(":")[2]).get("MasterUserSecret"):
        raise ValueError(
            "AWS refuses it: creating read replicas for source instance with engine postgres where "
            "ManageMasterUserPassword is enabled is not supported"
        )


def _available(api: Api, name: str) -> None:
    def available() -> bool:
        status = _instance(api, name)["DBInstanceStatus"]
        if status == "failed":
            raise ValueError(f"database {name} could not be made here: .ops/local/daemon.log says why")
        return bool(status == "available")

    api.wait(f"database {name} is available", available)


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = _instance(api, given["identifier"])
    if found["DBInstanceStatus"] == "deleting":
        return None
    endpoint = found.get("Endpoint") or {}
    state: State = {ours: found[theirs] for ours, theirs in _READ.items() if theirs in found}
    state |= {
        "arn": found["DBInstanceArn"],
        "identifier": found["DBInstanceIdentifier"],
        "resourceId": found["DbiResourceId"],
        "address": endpoint.get("Address", ""),
        "port": endpoint.get("Port", 0),
        "endpoint": f"{endpoint.get('Address', '')}:{endpoint.get('Port', '')}",
        "engineVersion": _version(given, found.get("EngineVersion", "")),
        "vpcSecurityGroupIds": [item["VpcSecurityGroupId"] for item in found.get("VpcSecurityGroups", [])],
        _LOGS: sorted(found.get("EnabledCloudwatchLogsExports", [])),
        **read_tags(as_map(found.get("TagList"))),
    }
    if found.get("DBSubnetGroup"):
        state["dbSubnetGroupName"] = found["DBSubnetGroup"]["DBSubnetGroupName"]
    if found.get("DBParameterGroups"):
        state["parameterGroupName"] = found["DBParameterGroups"][0]["DBParameterGroupName"]
    if found.get("ReadReplicaSourceDBInstanceIdentifier"):
        state["replicateSourceDb"] = found["ReadReplicaSourceDBInstanceIdentifier"]
    return state


def _version(given: Given, found: str) -> str:
    """Asked for 16, got 16.8: that is what was asked."""
    asked = str(given.get("engineVersion", ""))
    return asked if asked and (found == asked or found.startswith(f"{asked}.")) else found


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    rds, name = api.client("rds"), new["identifier"]
    changed = [field for field in _MODIFY if field in new and new[field] != old.get(field)]
    call = _call(new, changed)
    before, after = set(old.get(_LOGS) or ()), set(new.get(_LOGS) or ())
    if before != after:
        call["CloudwatchLogsExportConfiguration"] = {
            "EnableLogTypes": sorted(after - before),
            "DisableLogTypes": sorted(before - after),
        }
    if call:
        if "engineVersion" in changed:
            call["AllowMajorVersionUpgrade"] = bool(new.get("allowMajorVersionUpgrade", False))
        rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **call)
        _available(api, name)
    retag(api, _instance(api, name)["DBInstanceArn"], old, new)


def retag(api: Api, arn: str, old: Given, new: Given) -> None:
    """Bring the tags of anything of RDS from old to new."""
    rds = api.client("rds")
    retag_lists(rds.add_tags_to_resource, rds.remove_tags_from_resource, old, new, ResourceName=arn)


def _delete(api: Api, id_: str, state: Given) -> None:
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


KINDS = (
    Kind(
        "aws:rds/instance:Instance",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="identifier engine username dbName dbSubnetGroupName storageEncrypted kmsKeyId replicateSourceDb port "
        "performanceInsightsKmsKeyId",
        live=f"{' '.join(_MODIFY)} {_LOGS} allowMajorVersionUpgrade applyImmediately skipFinalSnapshot "
        "finalSnapshotIdentifier tags",
        needs="identifier instanceClass",
        name="identifier",
        limits={"identifier": IDENTIFIER, "password": PASSWORD, "finalSnapshotIdentifier": IDENTIFIER},
        refuse=refuse,
    ),
)
