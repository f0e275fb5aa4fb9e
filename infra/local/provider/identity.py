"""IAM roles, policies and instance profiles."""

from __future__ import annotations

import json
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, split

__all__ = ["KINDS", "same_document"]

_ROLE_NAME = Limit(r"[\w+=,.@-]{1,64}", "up to 64 letters, digits and _+=,.@-")


def same_document(given: Any, found: Any) -> Any:
    """The policy as given where the found one says the same: IAM reorders nothing but spells anew."""
    text = found if isinstance(found, str) else json.dumps(found)
    try:
        return given if json.loads(given) == json.loads(text) else text
    except (TypeError, ValueError):
        return text


def _create_role(api: Api, given: Given) -> str:
    api.client("iam").create_role(
        RoleName=given["name"],
        Path=given.get("path", "/"),
        Description=given.get("description", ""),
        AssumeRolePolicyDocument=given["assumeRolePolicy"],
        Tags=as_list(given.get("tags")),
    )
    return str(given["name"])


def _read_role(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("iam").get_role(RoleName=id_)["Role"]
    return {
        "arn": found["Arn"],
        "name": found["RoleName"],
        "path": found["Path"],
        "description": found.get("Description", ""),
        "uniqueId": found["RoleId"],
        "assumeRolePolicy": same_document(given.get("assumeRolePolicy"), found["AssumeRolePolicyDocument"]),
        **read_tags(as_map(found.get("Tags"))),
    }


def _update_role(api: Api, id_: str, old: Given, new: Given) -> None:
    iam = api.client("iam")
    if new["assumeRolePolicy"] != old.get("assumeRolePolicy"):
        iam.update_assume_role_policy(RoleName=id_, PolicyDocument=new["assumeRolePolicy"])
    if new.get("description", "") != old.get("description", ""):
        iam.update_role(RoleName=id_, Description=new.get("description", ""))
    put, drop = split(old, new)
    if put:
        iam.tag_role(RoleName=id_, Tags=as_list(put))
    if drop:
        iam.untag_role(RoleName=id_, TagKeys=drop)


def _delete_role(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("iam").delete_role(RoleName=id_), ("DeleteConflict",))


def _put_policy(api: Api, given: Given) -> str:
    api.client("iam").put_role_policy(RoleName=given["role"], PolicyName=given["name"], PolicyDocument=given["policy"])
    return f"{given['role']}:{given['name']}"


def _read_policy(api: Api, id_: str, given: Given) -> State | None:
    role, _, name = id_.partition(":")
    found = api.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {"role": role, "name": name, "policy": same_document(given.get("policy"), found["PolicyDocument"])}


def _update_policy(api: Api, id_: str, old: Given, new: Given) -> None:
    _put_policy(api, new)


def _delete_policy(api: Api, id_: str, state: Given) -> None:
    role, _, name = id_.partition(":")
    api.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


def _attach(api: Api, given: Given) -> str:
    api.client("iam").attach_role_policy(RoleName=given["role"], PolicyArn=given["policyArn"])
    return f"{given['role']}-{given['policyArn']}"


def _read_attachment(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("iam").list_attached_role_policies(RoleName=given["role"])["AttachedPolicies"]
    if given["policyArn"] not in {item["PolicyArn"] for item in found}:
        return None
    return {"role": given["role"], "policyArn": given["policyArn"]}


def _detach(api: Api, id_: str, state: Given) -> None:
    api.client("iam").detach_role_policy(RoleName=state["role"], PolicyArn=state["policyArn"])


def _create_profile(api: Api, given: Given) -> str:
    iam = api.client("iam")
    iam.create_instance_profile(InstanceProfileName=given["name"], Tags=as_list(given.get("tags")))
    if given.get("role"):
        iam.add_role_to_instance_profile(InstanceProfileName=given["name"], RoleName=given["role"])
    return str(given["name"])


def _read_profile(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("iam").get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]
    return {
        "arn": found["Arn"],
        "name": found["InstanceProfileName"],
        "role": found["Roles"][0]["RoleName"] if found["Roles"] else "",
        "uniqueId": found["InstanceProfileId"],
        **read_tags(as_map(found.get("Tags"))),
    }


def _update_profile(api: Api, id_: str, old: Given, new: Given) -> None:
    iam = api.client("iam")
    if old.get("role") != new.get("role"):
        if old.get("role"):
            iam.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=old["role"])
        if new.get("role"):
            iam.add_role_to_instance_profile(InstanceProfileName=id_, RoleName=new["role"])
    put, drop = split(old, new)
    if put:
        iam.tag_instance_profile(InstanceProfileName=id_, Tags=as_list(put))
    if drop:
        iam.untag_instance_profile(InstanceProfileName=id_, TagKeys=drop)


def _delete_profile(api: Api, id_: str, state: Given) -> None:
    iam = api.client("iam")
    for role in iam.get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=id_)


KINDS = (
    Kind(
        "aws:iam/role:Role",
        create=_create_role,
        read=_read_role,
        update=_update_role,
        delete=_delete_role,
        fixed="name path",
        live="assumeRolePolicy description tags",
        needs="name assumeRolePolicy",
        name="name",
        limits={"name": _ROLE_NAME},
    ),
    Kind(
        "aws:iam/rolePolicy:RolePolicy",
        create=_put_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        fixed="role name",
        live="policy",
        needs="role name policy",
        name="name",
    ),
    Kind(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        create=_attach,
        read=_read_attachment,
        delete=_detach,
        fixed="role policyArn",
        needs="role policyArn",
    ),
    Kind(
        "aws:iam/instanceProfile:InstanceProfile",
        create=_create_profile,
        read=_read_profile,
        update=_update_profile,
        delete=_delete_profile,
        fixed="name",
        live="role tags",
        needs="name",
        name="name",
    ),
)
