"""What moto's AWS Backup lacks for a plan: selections, plan updates, and a plan's name free again after deletion."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

__all__ = ["install"]


def install() -> None:
    """Teach moto, in this process, before its server starts. Call once."""
    from moto.backup import urls
    from moto.backup.responses import BackupResponse

    from quartermaster.infra.local import moto_restore_tests as restore_tests

    for name, method in _METHODS.items():
        setattr(BackupResponse, name, method)
    dispatch = urls.response.dispatch
    # Before the plan's own greedy path: the first that matches serves.
    urls.url_paths = {
        "{0}/backup/plans/(?P<plan>[^/]+)/selections/?$": dispatch,
        "{0}/backup/plans/(?P<plan>[^/]+)/selections/(?P<selection>[^/]+)$": dispatch,
        **restore_tests.paths(dispatch),
        **urls.url_paths,
    }
    restore_tests.install()
    _free_names_of_deleted_plans()


def _free_names_of_deleted_plans() -> None:
    from moto.backup.models import BackupBackend

    create = BackupBackend.create_backup_plan

    def create_backup_plan(self: Any, *args: Any, **kwargs: Any) -> Any:
        for plan_id in [key for key, plan in self.plans.items() if plan.deletion_date is not None]:
            del self.plans[plan_id]
        return create(self, *args, **kwargs)

    BackupBackend.create_backup_plan = create_backup_plan  # type: ignore[method-assign]


def _selections(response: Any) -> dict[str, dict[str, Any]]:
    """All selections of the plan in the request's path, by id; kept on the plan itself. Raises as AWS does."""
    plan = response.backup_backend.get_backup_plan(_ids(response)[0], None)
    return vars(plan).setdefault("ops_selections", {})  # type: ignore[no-any-return]


def _ids(response: Any) -> tuple[str, str]:
    match = re.search(r"/plans/([^/]+)(?:/selections/?([^/]*))?$", response.path.rstrip("/"))
    return (match[1], match[2] or "") if match else ("", "")


def _found(response: Any) -> dict[str, Any]:
    from moto.backup.exceptions import ResourceNotFoundException

    selection = _selections(response).get(_ids(response)[1])
    if selection is None:
        raise ResourceNotFoundException(msg="Cannot find the backup selection")
    return selection


def _create_backup_selection(self: Any) -> str:
    body = json.loads(self.body)
    plan_id, selection_id = _ids(self)[0], str(uuid.uuid4())
    made = {
        "BackupPlanId": plan_id,
        "SelectionId": selection_id,
        "CreationDate": time.time(),
        "CreatorRequestId": body.get("CreatorRequestId") or str(uuid.uuid4()),
        "BackupSelection": body["BackupSelection"],
    }
    _selections(self)[selection_id] = made
    return json.dumps({key: made[key] for key in ("BackupPlanId", "SelectionId", "CreationDate")})


def _get_backup_selection(self: Any) -> str:
    return json.dumps(_found(self))


def _list_backup_selections(self: Any) -> str:
    rows = [
        {
            **{key: made[key] for key in ("BackupPlanId", "SelectionId", "CreationDate", "CreatorRequestId")},
            "SelectionName": made["BackupSelection"]["SelectionName"],
            "IamRoleArn": made["BackupSelection"]["IamRoleArn"],
        }
        for made in _selections(self).values()
    ]
    return json.dumps({"BackupSelectionsList": rows})


def _delete_backup_selection(self: Any) -> str:
    _found(self)
    del _selections(self)[_ids(self)[1]]
    return "{}"


def _update_backup_plan(self: Any) -> str:
    from moto.backup.models import Plan

    plan = self.backup_backend.get_backup_plan(_ids(self)[0], None)
    fresh = Plan(json.loads(self.body)["BackupPlan"], plan.creator_request_id, self.backup_backend)
    plan.backup_plan, plan.version_id = fresh.backup_plan, fresh.version_id
    return json.dumps(plan.to_dict())


_METHODS = {
    "create_backup_selection": _create_backup_selection,
    "get_backup_selection": _get_backup_selection,
    "list_backup_selections": _list_backup_selections,
    "delete_backup_selection": _delete_backup_selection,
    "update_backup_plan": _update_backup_plan,
}
