"""CloudFormation stacks: the wrapping of what AWS offers only as a template."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.provider.identity import same_document
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags

__all__ = ["KINDS"]

_FAILED = ("ROLLBACK", "FAILED")


def _call(given: Given) -> dict[str, Any]:
    return {
        "StackName": given["name"],
        "TemplateBody": given["templateBody"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in (given.get("parameters") or {}).items()
        ],
        "Capabilities": given.get("capabilities") or [],
        "Tags": as_list(given.get("tags")),
    }


def _stack(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return found


def _complete(api: Api, name: str) -> str:
    api.wait(f"stack {name} is complete", lambda: not _stack(api, name)["StackStatus"].endswith("_IN_PROGRESS"))
    found = _stack(api, name)
    if any(word in found["StackStatus"] for word in _FAILED):
        raise ValueError(f"stack {name}: {found['StackStatus']}, {found.get('StackStatusReason', 'no reason given')}")
    return str(found["StackId"])


def _create(api: Api, given: Given) -> str:
    api.client("cloudformation").create_stack(**_call(given))
    return _complete(api, given["name"])


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = _stack(api, id_)
    if found["StackStatus"].startswith("DELETE"):
        return None
    template = api.client("cloudformation").get_template(StackName=id_)["TemplateBody"]
    return {
        "name": found["StackName"],
        "templateBody": same_document(given.get("templateBody"), template),
        "parameters": {row["ParameterKey"]: row["ParameterValue"] for row in found.get("Parameters", [])},
        "capabilities": sorted(found.get("Capabilities") or given.get("capabilities") or []),
        "outputs": {row["OutputKey"]: row["OutputValue"] for row in found.get("Outputs", [])},
        **read_tags(as_map(found.get("Tags"))),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    api.client("cloudformation").update_stack(**_call(new))
    _complete(api, new["name"])


def _delete(api: Api, id_: str, state: Given) -> None:
    ended = ("DELETE_COMPLETE", "DELETE_FAILED")  # by its id a stack can be asked for when it is gone, too
    api.client("cloudformation").delete_stack(StackName=id_)
    api.wait(f"stack {state['name']} is deleted", lambda: _stack(api, id_)["StackStatus"] in ended)
    _complete(api, id_)


KINDS = (
    Kind(
        "aws:cloudformation/stack:Stack",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="name",
        live="templateBody parameters capabilities tags",
        needs="name templateBody",
        name="name",
        limits={"name": Limit(r"[a-zA-Z][a-zA-Z0-9-]{0,127}", "a letter, then up to 127 letters, digits and hyphens")},
    ),
)
