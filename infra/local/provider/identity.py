"""IAM roles, policies and instance profiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists
from quartermaster.infra.permissions.documents import characters

__all__ = ["KINDS", "same_document"]

_ROLE_NAME = Limit(r"[\w+=,.@-]{1,64}", "up to 64 letters, digits and _+=,.@-")
_NAME = Limit(r"[\w+=,.@-]{1,128}", "up to 128 letters, digits and _+=,.@-")
_MOST_ATTACHED = 10
_INLINE_CHARACTERS, _TRUST_CHARACTERS = 10_240, 2_048
_HOUR = 3_600
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; white space is not counted."""


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
        MaxSessionDuration=given.get("maxSessionDuration", _HOUR),
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
        "maxSessionDuration": found.get("MaxSessionDuration", _HOUR),
        "uniqueId": found["RoleId"],
        "assumeRolePolicy": same_document(given.get("assumeRolePolicy"), found["AssumeRolePolicyDocument"]),
        **read_tags(as_map(found.get("Tags"))),
    }


def _update_role(api: Api, id_: str, old: Given, new: Given) -> None:
    iam = api.client("iam")
    if new["assumeRolePolicy"] != old.get("assumeRolePolicy"):
        iam.update_assume_role_policy(RoleName=id_, PolicyDocument=new["assumeRolePolicy"])
    settings = ("description", "maxSessionDuration")
    if any(new.get(name) != old.get(name) for name in settings):
        iam.update_role(
            RoleName=id_,
            Description=new.get("description", ""),
            MaxSessionDuration=new.get("maxSessionDuration", _HOUR),
        )
    retag_lists(iam.tag_role, iam.untag_role, old, new, RoleName=id_)


def _delete_role(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("iam").delete_role(RoleName=id_), ("DeleteConflict",))


def _characters(document: Any) -> int:
    """As IAM counts them; 0 of one that is not known yet."""
    return characters(document) if isinstance(document, str) else 0


def _refuse_role(given: Given) -> Iterator[tuple[str, str]]:
    if _characters(given.get("assumeRolePolicy")) > _TRUST_CHARACTERS:
        yield "assumeRolePolicy", f"a trust policy has at most {_TRUST_CHARACTERS} characters"
    seconds = given.get("maxSessionDuration")
    if isinstance(seconds, int) and not _HOUR <= seconds <= 12 * _HOUR:
        yield "maxSessionDuration", f"1 to 12 hours; it is {seconds} seconds"


def _refuse_policy(given: Given) -> Iterator[tuple[str, str]]:
    if _characters(given.get("policy")) > _INLINE_CHARACTERS:
        yield "policy", f"the inline policies of a role have at most {_INLINE_CHARACTERS} characters"


def _put_policy(api: Api, given: Given) -> str:
    api.client("iam").put_role_policy(RoleName=given["role"], PolicyName=given["name"], PolicyDocument=given["policy"])
    return f"{given['role']}:{given['name']}"


def _read_policy(api: Api, id_: str, given: Given) -> State | None:
    role, _, name = id_.partition(":")
    found = api.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {"role": role, "name": name, "policy": same_document(given.get("policy"), found["PolicyDocument"])}


def _delete_policy(api: Api, id_: str, state: Given) -> None:
    role, _, name = id_.partition(":")
    api.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


def _attach(api: Api, given: Given) -> str:
    there = api.client("iam").list_attached_role_policies(RoleName=given["role"])["AttachedPolicies"]
    if len(there) >= _MOST_ATTACHED:
        raise ValueError(
            f"AWS refuses it: role {given['role']} has {_MOST_ATTACHED} managed policies, and takes no more"
        )
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
    retag_lists(iam.tag_instance_profile, iam.untag_instance_profile, old, new, InstanceProfileName=id_)


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
        live="assumeRolePolicy description maxSessionDuration tags",
        needs="name assumeRolePolicy",
        name="name",
        limits={"name": _ROLE_NAME, "description": Limit(r".{0,1000}", "up to 1,000 characters")},
        refuse=_refuse_role,
    ),
    Kind(
        "aws:iam/rolePolicy:RolePolicy",
        create=_put_policy,
        read=_read_policy,
        update=again(_put_policy),
        delete=_delete_policy,
        fixed="role name",
        live="policy",
        needs="role name policy",
        name="name",
        limits={"name": _NAME},
        refuse=_refuse_policy,
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
        limits={"name": _NAME},
    ),
)
