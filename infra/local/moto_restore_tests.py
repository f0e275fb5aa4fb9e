"""AWS Backup's restore testing, which moto lacks: plans and selections are kept, nothing is restored by itself."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

__all__ = ["install", "paths"]

_PLAN = r"/restore-testing/plans/([^/]+)"


def paths(dispatch: Any) -> Mapping[str, Any]:
    """The addresses that these operations answer at."""
    return {
        "{0}/restore-testing/plans/?$": dispatch,
        "{0}/restore-testing/plans/(?P<plan>[^/]+)$": dispatch,
        "{0}/restore-testing/plans/(?P<plan>[^/]+)/selections/?$": dispatch,
        "{0}/restore-testing/plans/(?P<plan>[^/]+)/selections/(?P<selection>[^/]+)$": dispatch,
    }


def install() -> None:
    """Add the operations to moto's AWS Backup."""
    from moto.backup.responses import BackupResponse

    for name, method in _METHODS.items():
        setattr(BackupResponse, name, method)


def _plans(response: Any) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = vars(response.backup_backend).setdefault("ops_restore_tests", {})
    return kept


def _names(response: Any) -> tuple[str, str]:
    match = re.search(_PLAN + r"(?:/selections/?([^/]*))?$", response.path.rstrip("/"))
    return (match[1], match[2] or "") if match else ("", "")


def _plan(response: Any) -> dict[str, Any]:
    from moto.backup.exceptions import ResourceNotFoundException

    plan = _plans(response).get(_names(response)[0])
    if plan is None:
        raise ResourceNotFoundException(msg="Restore testing plan not found")
    return plan


def _selection(response: Any) -> dict[str, Any]:
    from moto.backup.exceptions import ResourceNotFoundException

    selection = _plan(response)["selections"].get(_names(response)[1])
    if selection is None:
        raise ResourceNotFoundException(msg="Restore testing selection not found")
    found: dict[str, Any] = selection
    return found


def _told(made: Mapping[str, Any]) -> str:
    names = ("CreationTime", "UpdateTime", "RestoreTestingPlanArn", "RestoreTestingPlanName")
    return json.dumps({name: made[name] for name in (*names, "RestoreTestingSelectionName") if name in made})


def _create_restore_testing_plan(self: Any) -> str:
    from moto.backup.exceptions import AlreadyExistsException

    body = json.loads(self.body)
    given = body["RestoreTestingPlan"]
    name = given["RestoreTestingPlanName"]
    if name in _plans(self):
        raise AlreadyExistsException(msg="Restore testing plan with the same name already exists.")
    arn = f"arn:aws:backup:{self.region}:{self.current_account}:restore-testing-plan:{name}-{uuid.uuid4()}"
    _plans(self)[name] = {
        "plan": {**given, "RestoreTestingPlanArn": arn, "CreationTime": time.time()},
        "selections": {},
    }
    self.backup_backend.tag_resource(arn, body.get("Tags") or {})
    return _told(_plans(self)[name]["plan"])


def _get_restore_testing_plan(self: Any) -> str:
    return json.dumps({"RestoreTestingPlan": _plan(self)["plan"]})


def _list_restore_testing_plans(self: Any) -> str:
    return json.dumps({"RestoreTestingPlans": [kept["plan"] for kept in _plans(self).values()]})


def _update_restore_testing_plan(self: Any) -> str:
    plan = _plan(self)["plan"]
    plan.update(json.loads(self.body)["RestoreTestingPlan"], UpdateTime=time.time())
    return _told(plan)


def _delete_restore_testing_plan(self: Any) -> str:
    from moto.backup.exceptions import InvalidRequestException

    if _plan(self)["selections"]:
        raise InvalidRequestException(msg="Restore testing plan has selections: delete them first")
    del _plans(self)[_names(self)[0]]
    return "{}"


def _create_restore_testing_selection(self: Any) -> str:
    plan = _plan(self)
    given = json.loads(self.body)["RestoreTestingSelection"]
    made = {
        **given,
        "CreationTime": time.time(),
        "RestoreTestingPlanName": _names(self)[0],
        "RestoreTestingPlanArn": plan["plan"]["RestoreTestingPlanArn"],
    }
    plan["selections"][given["RestoreTestingSelectionName"]] = made
    return _told(made)


def _get_restore_testing_selection(self: Any) -> str:
    return json.dumps({"RestoreTestingSelection": _selection(self)})


def _list_restore_testing_selections(self: Any) -> str:
    return json.dumps({"RestoreTestingSelections": list(_plan(self)["selections"].values())})


def _update_restore_testing_selection(self: Any) -> str:
    selection = _selection(self)
    selection.update(json.loads(self.body)["RestoreTestingSelection"], UpdateTime=time.time())
    return _told(selection)


def _delete_restore_testing_selection(self: Any) -> str:
    _selection(self)
    del _plan(self)["selections"][_names(self)[1]]
    return "{}"


_METHODS = {
    "create_restore_testing_plan": _create_restore_testing_plan,
    "get_restore_testing_plan": _get_restore_testing_plan,
    "list_restore_testing_plans": _list_restore_testing_plans,
    "update_restore_testing_plan": _update_restore_testing_plan,
    "delete_restore_testing_plan": _delete_restore_testing_plan,
    "create_restore_testing_selection": _create_restore_testing_selection,
    "get_restore_testing_selection": _get_restore_testing_selection,
    "list_restore_testing_selections": _list_restore_testing_selections,
    "update_restore_testing_selection": _update_restore_testing_selection,
    "delete_restore_testing_selection": _delete_restore_testing_selection,
}
