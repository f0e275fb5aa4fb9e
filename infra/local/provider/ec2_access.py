"""Security groups with their rules, and key pairs."""

from __future__ import annotations

import functools
from typing import Any

from quartermaster.infra.local.provider.ec2_vpc import LEFTOVERS
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_map, ec2_retag, read_tags, tag_on_create

__all__ = ["KINDS"]

_GROUP_NAME = Limit(
    r"(?!sg-)[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}",
    "up to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*, not beginning with sg-",
)
_DESCRIPTION = Limit(
    r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}", "up to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"
)


def _create_group(api: Api, given: Given) -> str:
    ec2 = api.client("ec2")
    answer = ec2.create_security_group(
        GroupName=given["name"],
        Description=given.get("description", "Managed by Pulumi"),
        VpcId=given["vpcId"],
        TagSpecifications=tag_on_create("security-group", given),
    )
    id_: str = answer["GroupId"]
    # As the real provider: the rule that lets everything out, which AWS adds, goes.
    found = ec2.describe_security_groups(GroupIds=[id_])["SecurityGroups"][0]["IpPermissionsEgress"]
    if found:
        ec2.revoke_security_group_egress(GroupId=id_, IpPermissions=found)
    return id_


def _read_group(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("ec2").describe_security_groups(GroupIds=[id_])["SecurityGroups"][0]
    return {
        "arn": api.arn("ec2", f"security-group/{id_}"),
        "name": found["GroupName"],
        "description": found["Description"],
        "vpcId": found["VpcId"],
        **read_tags(as_map(found.get("Tags"))),
    }


def _delete_group(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("ec2").delete_security_group(GroupId=id_), LEFTOVERS)


def _permission(given: Given) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": str(given["ipProtocol"])}
    if "fromPort" in given:
        permission |= {"FromPort": given["fromPort"], "ToPort": given["toPort"]}
    note = {"Description": given["description"]} if given.get("description") else {}
    if "cidrIpv4" in given:
        permission["IpRanges"] = [{"CidrIp": given["cidrIpv4"], **note}]
    else:
        permission["UserIdGroupPairs"] = [{"GroupId": given["referencedSecurityGroupId"], **note}]
    return permission


def _create_rule(api: Api, given: Given, *, direction: str) -> str:
    act = getattr(api.client("ec2"), f"authorize_security_group_{direction}")
    answer = act(
        GroupId=given["securityGroupId"],
        IpPermissions=[_permission(given)],
        TagSpecifications=tag_on_create("security-group-rule", given),
    )
    return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])


def _read_rule(api: Api, id_: str, given: Given) -> State | None:
    rules = api.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[id_])["SecurityGroupRules"]
    if not rules:
        return None
    rule = rules[0]
    state: State = {
        "arn": api.arn("ec2", f"security-group-rule/{id_}"),
        "securityGroupRuleId": id_,
        "securityGroupId": rule["GroupId"],
        "ipProtocol": rule["IpProtocol"],
        **read_tags(as_map(rule.get("Tags"))),
    }
    if rule["IpProtocol"] != "-1":
        state |= {"fromPort": rule["FromPort"], "toPort": rule["ToPort"]}
    if rule.get("Description"):
        state["description"] = rule["Description"]
    if rule.get("CidrIpv4"):
        state["cidrIpv4"] = rule["CidrIpv4"]
    if rule.get("ReferencedGroupInfo"):
        state["referencedSecurityGroupId"] = rule["ReferencedGroupInfo"]["GroupId"]
    return state


def _delete_rule(api: Api, id_: str, state: Given, *, direction: str) -> None:
    act = getattr(api.client("ec2"), f"revoke_security_group_{direction}")
    act(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[id_])


def _rule(direction: str) -> Kind:
    return Kind(
        f"aws:vpc/securityGroup{direction.title()}Rule:SecurityGroup{direction.title()}Rule",
        create=functools.partial(_create_rule, direction=direction),
        read=_read_rule,
        update=ec2_retag,
        delete=functools.partial(_delete_rule, direction=direction),
        fixed="securityGroupId ipProtocol fromPort toPort cidrIpv4 referencedSecurityGroupId description",
        live="tags",
        needs="securityGroupId ipProtocol",
        limits={"description": _DESCRIPTION},
    )


def _create_key(api: Api, given: Given) -> str:
    api.client("ec2").import_key_pair(
        KeyName=given["keyName"],
        PublicKeyMaterial=given["publicKey"].encode(),
        TagSpecifications=tag_on_create("key-pair", given),
    )
    return str(given["keyName"])


def _read_key(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("ec2").describe_key_pairs(KeyNames=[id_])["KeyPairs"][0]
    return {
        "arn": api.arn("ec2", f"key-pair/{id_}"),
        "keyName": found["KeyName"],
        "keyPairId": found["KeyPairId"],
        "fingerprint": found["KeyFingerprint"],
        **read_tags(as_map(found.get("Tags"))),
    }


def _update_key(api: Api, id_: str, old: Given, new: Given) -> None:
    found = api.client("ec2").describe_key_pairs(KeyNames=[id_])["KeyPairs"][0]
    ec2_retag(api, found["KeyPairId"], old, new)


def _delete_key(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").delete_key_pair(KeyName=id_)


KINDS = (
    Kind(
        "aws:ec2/securityGroup:SecurityGroup",
        create=_create_group,
        read=_read_group,
        update=ec2_retag,
        delete=_delete_group,
        fixed="name description vpcId",
        live="tags",
        needs="name vpcId",
        name="name",
        limits={"name": _GROUP_NAME, "description": _DESCRIPTION},
    ),
    _rule("ingress"),
    _rule("egress"),
    Kind(
        "aws:ec2/keyPair:KeyPair",
        create=_create_key,
        read=_read_key,
        update=_update_key,
        delete=_delete_key,
        fixed="keyName publicKey",
        live="tags",
        needs="keyName publicKey",
        name="keyName",
    ),
)
