"""AWS Backup's restore testing: plans, and the selections of what they restore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.backups import read_tags_of, retag
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.spelling import camel, pascal

__all__ = ["KINDS"]

_NAME = Limit(r"[a-zA-Z0-9_]{1,50}", "up to 50 letters, digits and underscores")
_PLAN = ("recoveryPointSelection", "scheduleExpression", "scheduleExpressionTimezone", "startWindowHours")
_SELECTION = (
    "iamRoleArn", "protectedResourceArns", "protectedResourceConditions", "restoreMetadataOverrides",
    "validationWindowHours",
)  # fmt: skip


def _call(given: Given, names: tuple[str, ...]) -> dict[str, Any]:
    call: dict[str, Any] = pascal({name: given[name] for name in names if given.get(name) is not None})
    # Its keys are AWS Backup's own metadata, not part of the API's spelling.
    if given.get("restoreMetadataOverrides"):
        call["RestoreMetadataOverrides"] = dict(given["restoreMetadataOverrides"])
    return call


def _create_plan(api: Api, given: Given) -> str:
    answer = api.client("backup").create_restore_testing_plan(
        RestoreTestingPlan={"RestoreTestingPlanName": given["name"], **_call(given, _PLAN)},
        Tags=given.get("tags") or {},
    )
    return str(answer["RestoreTestingPlanName"])


def _read_plan(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("backup").get_restore_testing_plan(RestoreTestingPlanName=id_)["RestoreTestingPlan"]
    return {
        "arn": found["RestoreTestingPlanArn"],
        "name": found["RestoreTestingPlanName"],
        **{name: value for name, value in camel(found).items() if name in _PLAN},
        **read_tags_of(api, found["RestoreTestingPlanArn"]),
    }


def _update_plan(api: Api, id_: str, old: Given, new: Given) -> None:
    backup = api.client("backup")
    if _call(old, _PLAN) != _call(new, _PLAN):
        backup.update_restore_testing_plan(RestoreTestingPlanName=id_, RestoreTestingPlan=_call(new, _PLAN))
    arn = backup.get_restore_testing_plan(RestoreTestingPlanName=id_)["RestoreTestingPlan"]["RestoreTestingPlanArn"]
    retag(api, arn, old, new)


def _delete_plan(api: Api, id_: str, state: Given) -> None:
    api.client("backup").delete_restore_testing_plan(RestoreTestingPlanName=id_)


def _create_selection(api: Api, given: Given) -> str:
    api.client("backup").create_restore_testing_selection(
        RestoreTestingPlanName=given["restoreTestingPlanName"],
        RestoreTestingSelection={
            "RestoreTestingSelectionName": given["name"],
            "ProtectedResourceType": given["protectedResourceType"],
            **_call(given, _SELECTION),
        },
    )
    return f"{given['name']}:{given['restoreTestingPlanName']}"


def _read_selection(api: Api, id_: str, given: Given) -> State | None:
    name, _, plan = id_.partition(":")
    found = api.client("backup").get_restore_testing_selection(
        RestoreTestingPlanName=plan, RestoreTestingSelectionName=name
    )["RestoreTestingSelection"]
    state: State = {
        "name": name,
        "restoreTestingPlanName": plan,
        "protectedResourceType": found["ProtectedResourceType"],
        **{name: value for name, value in camel(found).items() if name in _SELECTION},
    }
    if "RestoreMetadataOverrides" in found:
        state["restoreMetadataOverrides"] = dict(found["RestoreMetadataOverrides"])
    return state


def _update_selection(api: Api, id_: str, old: Given, new: Given) -> None:
    name, _, plan = id_.partition(":")
    api.client("backup").update_restore_testing_selection(
        RestoreTestingPlanName=plan,
        RestoreTestingSelectionName=name,
        RestoreTestingSelection=_call(new, _SELECTION),
    )


def _delete_selection(api: Api, id_: str, state: Given) -> None:
    name, _, plan = id_.partition(":")
    api.client("backup").delete_restore_testing_selection(RestoreTestingPlanName=plan, RestoreTestingSelectionName=name)


def _refuse_plan(given: Given) -> Iterator[tuple[str, str]]:
    points = given.get("recoveryPointSelection")
    days = points.get("selectionWindowDays") if isinstance(points, dict) else None
    if isinstance(days, int) and not 1 <= days <= 365:
        yield "recoveryPointSelection", f"points of {days} days; 1 to 365"
    hours = given.get("startWindowHours")
    if isinstance(hours, int) and not 1 <= hours <= 168:
        yield "startWindowHours", f"{hours} hours; 1 to 168"


def _refuse_selection(given: Given) -> Iterator[tuple[str, str]]:
    if not given.get("protectedResourceArns") and not given.get("protectedResourceConditions"):
        yield "protectedResourceArns", "what to restore: by ARNs (* for all) or by conditions"
    hours = given.get("validationWindowHours")
    if isinstance(hours, int) and not 0 <= hours <= 168:
        yield "validationWindowHours", f"{hours} hours; 0 to 168"


KINDS = (
    Kind(
        "aws:backup/restoreTestingPlan:RestoreTestingPlan",
        create=_create_plan,
        read=_read_plan,
        update=_update_plan,
        delete=_delete_plan,
        fixed="name",
        live=f"{' '.join(_PLAN)} tags",
        needs="name recoveryPointSelection scheduleExpression",
        name="name",
        limits={"name": _NAME},
        refuse=_refuse_plan,
    ),
    Kind(
        "aws:backup/restoreTestingSelection:RestoreTestingSelection",
        create=_create_selection,
        read=_read_selection,
        update=_update_selection,
        delete=_delete_selection,
        fixed="name restoreTestingPlanName protectedResourceType",
        live=" ".join(_SELECTION),
        needs="name restoreTestingPlanName protectedResourceType iamRoleArn",
        name="name",
        limits={"name": _NAME},
        refuse=_refuse_selection,
    ),
)
