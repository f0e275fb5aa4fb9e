"""AWS Backup: vaults, their locks, plans and selections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from quartermaster.infra.inputs import items
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.spelling import asked, told
from quartermaster.infra.local.provider.tagging import read_tags, split

__all__ = ["KINDS", "read_tags_of", "retag"]

_LIMITS = {"minRetentionDays": "MinRetentionDays", "maxRetentionDays": "MaxRetentionDays"}
_LIFE = {"deleteAfter": "DeleteAfterDays", "coldStorageAfter": "MoveToColdStorageAfterDays"}
_RULE = {
    "ruleName": "RuleName",
    "targetVaultName": "TargetBackupVaultName",
    "schedule": "ScheduleExpression",
    "scheduleExpressionTimezone": "ScheduleExpressionTimezone",
    "startWindow": "StartWindowMinutes",
    "completionWindow": "CompletionWindowMinutes",
    "recoveryPointTags": "RecoveryPointTags",
}


def read_tags_of(api: Api, arn: str) -> State:
    """The outputs tags and tagsAll of anything of AWS Backup."""
    return read_tags(dict(api.client("backup").list_tags(ResourceArn=arn).get("Tags") or {}))


def retag(api: Api, arn: str, old: Given, new: Given) -> None:
    """Bring its tags from old to new."""
    put, drop = split(old, new)
    if put:
        api.client("backup").tag_resource(ResourceArn=arn, Tags=put)
    if drop:
        api.client("backup").untag_resource(ResourceArn=arn, TagKeyList=drop)


def _create_vault(api: Api, given: Given) -> str:
    key = {"EncryptionKeyArn": given["kmsKeyArn"]} if given.get("kmsKeyArn") else {}
    api.client("backup").create_backup_vault(
        BackupVaultName=given["name"], BackupVaultTags=given.get("tags") or {}, **key
    )
    return str(given["name"])


def _read_vault(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("backup").describe_backup_vault(BackupVaultName=id_)
    state: State = {
        "arn": found["BackupVaultArn"],
        "name": found["BackupVaultName"],
        **read_tags_of(api, found["BackupVaultArn"]),
    }
    if found.get("EncryptionKeyArn"):
        state["kmsKeyArn"] = found["EncryptionKeyArn"]
    return state


def _update_vault(api: Api, id_: str, old: Given, new: Given) -> None:
    arn = api.client("backup").describe_backup_vault(BackupVaultName=id_)["BackupVaultArn"]
    retag(api, arn, old, new)


def _delete_vault(api: Api, id_: str, state: Given) -> None:
    api.client("backup").delete_backup_vault(BackupVaultName=id_)


def _lock(api: Api, given: Given) -> str:
    limits = {**_LIMITS, "changeableForDays": "ChangeableForDays"}
    api.client("backup").put_backup_vault_lock_configuration(
        BackupVaultName=given["backupVaultName"], **asked(limits, given)
    )
    return str(given["backupVaultName"])


def _read_lock(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("backup").describe_backup_vault(BackupVaultName=id_)
    # moto tells the lock only in its list of vaults.
    if "Locked" not in found:
        rows = api.client("backup").list_backup_vaults()["BackupVaultList"]
        found = next((row for row in rows if row["BackupVaultName"] == id_), {})
    if not found.get("Locked"):
        return None
    return {"backupVaultName": id_, "backupVaultArn": found["BackupVaultArn"], **told(_LIMITS, found)}


def _unlock(api: Api, id_: str, state: Given) -> None:
    api.client("backup").delete_backup_vault_lock_configuration(BackupVaultName=id_)


def _rule(rule: Given) -> dict[str, Any]:
    made = asked(_RULE, rule)
    if rule.get("lifecycle"):
        made["Lifecycle"] = asked(_LIFE, rule["lifecycle"])
    if rule.get("copyActions"):
        made["CopyActions"] = [
            {"DestinationBackupVaultArn": copy["destinationVaultArn"], "Lifecycle": asked(_LIFE, copy["lifecycle"])}
            for copy in rule["copyActions"]
        ]
    return made


def _plan(given: Given) -> dict[str, Any]:
    return {"BackupPlanName": given["name"], "Rules": [_rule(rule) for rule in given["rules"]]}


def _create_plan(api: Api, given: Given) -> str:
    answer = api.client("backup").create_backup_plan(BackupPlan=_plan(given), BackupPlanTags=given.get("tags") or {})
    return str(answer["BackupPlanId"])


def _read_plan(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("backup").get_backup_plan(BackupPlanId=id_)
    if found.get("DeletionDate"):
        return None
    rules = []
    for rule in found["BackupPlan"]["Rules"]:
        state: State = {"scheduleExpressionTimezone": "Etc/UTC", "recoveryPointTags": {}, **told(_RULE, rule)}
        if rule.get("Lifecycle"):
            state["lifecycle"] = told(_LIFE, rule["Lifecycle"])
        if rule.get("CopyActions"):
            state["copyActions"] = [
                {
                    "destinationVaultArn": copy["DestinationBackupVaultArn"],
                    "lifecycle": told(_LIFE, copy.get("Lifecycle") or {}),
                }
                for copy in rule["CopyActions"]
            ]
        rules.append(state)
    return {
        "arn": found["BackupPlanArn"],
        "name": found["BackupPlan"]["BackupPlanName"],
        "version": found["VersionId"],
        "rules": rules,
        **read_tags_of(api, found["BackupPlanArn"]),
    }


def _update_plan(api: Api, id_: str, old: Given, new: Given) -> None:
    backup = api.client("backup")
    if _plan(old) != _plan(new):
        backup.update_backup_plan(BackupPlanId=id_, BackupPlan=_plan(new))
    retag(api, backup.get_backup_plan(BackupPlanId=id_)["BackupPlanArn"], old, new)


def _delete_plan(api: Api, id_: str, state: Given) -> None:
    api.client("backup").delete_backup_plan(BackupPlanId=id_)


def _create_selection(api: Api, given: Given) -> str:
    conditions = [
        {"ConditionType": tag["type"], "ConditionKey": tag["key"], "ConditionValue": tag["value"]}
        for tag in given.get("selectionTags") or []
    ]
    answer = api.client("backup").create_backup_selection(
        BackupPlanId=given["planId"],
        BackupSelection={
            "SelectionName": given["name"],
            "IamRoleArn": given["iamRoleArn"],
            "Resources": given.get("resources", []),
            "ListOfTags": conditions,
        },
    )
    return str(answer["SelectionId"])


def _read_selection(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("backup").get_backup_selection(BackupPlanId=given["planId"], SelectionId=id_)
    selection = found["BackupSelection"]
    return {
        "planId": given["planId"],
        "name": selection["SelectionName"],
        "iamRoleArn": selection["IamRoleArn"],
        "resources": selection.get("Resources", []),
        "selectionTags": [
            {"type": tag["ConditionType"], "key": tag["ConditionKey"], "value": tag["ConditionValue"]}
            for tag in selection.get("ListOfTags") or []
        ],
    }


def _delete_selection(api: Api, id_: str, state: Given) -> None:
    api.client("backup").delete_backup_selection(BackupPlanId=state["planId"], SelectionId=id_)


_VAULT_NAME = Limit(r"[a-zA-Z0-9_-]{2,50}", "2 to 50 letters, digits, _ and -")
_LONGEST_DAYS = 36_500
_LEAST_CHANGEABLE = 3
_LEAST_COLD_DAYS = 90


def _refuse_lock(given: Given) -> Iterator[tuple[str, str]]:
    least, most, change = (given.get(name) for name in ("minRetentionDays", "maxRetentionDays", "changeableForDays"))
    if isinstance(least, int) and least < 1:
        yield "minRetentionDays", f"{least} days; 1 or more"
    if isinstance(most, int) and most > _LONGEST_DAYS:
        yield "maxRetentionDays", f"{most} days; {_LONGEST_DAYS} at most"
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield "minRetentionDays", f"{least} days are more than the lock's {most} at most"
    if isinstance(change, int) and change < _LEAST_CHANGEABLE:
        yield "changeableForDays", f"{change} days; {_LEAST_CHANGEABLE} or more before it cannot be lifted"


def _refuse_plan(given: Given) -> Iterator[tuple[str, str]]:
    for rule in items(given.get("rules")):
        name = rule.get("ruleName")
        if isinstance(name, str) and not re.fullmatch(r"[a-zA-Z0-9_.-]{1,50}", name):
            yield "rules", f"rule name {name!r}: up to 50 letters, digits and _.-"
        lives = [rule.get("lifecycle"), *(copy.get("lifecycle") for copy in rule.get("copyActions") or ())]
        for life in (life for life in lives if isinstance(life, dict)):
            cold, gone = life.get("coldStorageAfter"), life.get("deleteAfter")
            if isinstance(cold, int) and isinstance(gone, int) and 0 < gone < cold + _LEAST_COLD_DAYS:
                reason = f"deleted after {gone} days: a point stays {_LEAST_COLD_DAYS} days in the cold, from {cold} on"
                yield "rules", reason
        start, complete = rule.get("startWindow"), rule.get("completionWindow")
        if isinstance(start, int) and start < 60:
            yield "rules", f"{start} minutes to start in; 60 or more"
        if isinstance(start, int) and isinstance(complete, int) and complete < start + 60:
            yield "rules", f"{complete} minutes to complete in; an hour more than the {start} to start in"


KINDS = (
    Kind(
        "aws:backup/vault:Vault",
        create=_create_vault,
        read=_read_vault,
        update=_update_vault,
        delete=_delete_vault,
        fixed="name kmsKeyArn",
        live="forceDestroy tags",
        needs="name",
        name="name",
        limits={"name": _VAULT_NAME},
    ),
    Kind(
        "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
        create=_lock,
        read=_read_lock,
        delete=_unlock,
        fixed="backupVaultName minRetentionDays maxRetentionDays changeableForDays",
        needs="backupVaultName",
        name="backupVaultName",
        refuse=_refuse_lock,
    ),
    Kind(
        "aws:backup/plan:Plan",
        create=_create_plan,
        read=_read_plan,
        update=_update_plan,
        delete=_delete_plan,
        fixed="name",
        live="rules tags",
        needs="name rules",
        name="name",
        limits={"name": Limit(r"[a-zA-Z0-9_.-]{1,50}", "up to 50 letters, digits and _.-")},
        refuse=_refuse_plan,
    ),
    Kind(
        "aws:backup/selection:Selection",
        create=_create_selection,
        read=_read_selection,
        delete=_delete_selection,
        fixed="planId name iamRoleArn resources selectionTags",
        needs="planId name iamRoleArn",
        name="name",
        limits={"name": Limit(r"[a-zA-Z0-9_.-]{1,50}", "up to 50 letters, digits and _.-")},
    ),
)
