"""Network ACLs with their rules and the subnets that they guard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quartermaster.infra.local.provider.ec2_vpc import LEFTOVERS
from quartermaster.infra.local.provider.kind import Api, Given, Kind, State
from quartermaster.infra.local.provider.tagging import as_map, ec2_retag, read_tags, tag_on_create
from quartermaster.infra.local.provider.values import UNKNOWN

__all__ = ["KINDS"]

_PROTOCOLS = {"-1": "-1", "all": "-1", "icmp": "1", "tcp": "6", "udp": "17"}
_WORDS = {number: word for word, number in _PROTOCOLS.items() if word != "all"}
_LAST_RULE = 32766
"""The next number is AWS's own: deny what no rule decided."""
_RULES = 20
"""In each direction, unless AWS has raised the quota."""

Rule = Mapping[str, Any]


def _create(api: Api, given: Given) -> str:
    ec2 = api.client("ec2")
    answer = ec2.create_network_acl(VpcId=given["vpcId"], TagSpecifications=tag_on_create("network-acl", given))
    id_ = str(answer["NetworkAcl"]["NetworkAclId"])
    _bring(api, id_, {}, given)
    return id_


def _acl(api: Api, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("ec2").describe_network_acls(NetworkAclIds=[id_])["NetworkAcls"][0]
    return found


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = _acl(api, id_)
    rules = sorted(
        (entry for entry in found["Entries"] if entry["RuleNumber"] <= _LAST_RULE),
        key=lambda entry: int(entry["RuleNumber"]),
    )
    return {
        "arn": api.arn("ec2", f"network-acl/{id_}"),
        "vpcId": found["VpcId"],
        "subnetIds": sorted(item["SubnetId"] for item in found["Associations"]),
        "ingress": [_said(entry) for entry in rules if not entry["Egress"]],
        "egress": [_said(entry) for entry in rules if entry["Egress"]],
        **read_tags(as_map(found.get("Tags"))),
    }


def _said(entry: Mapping[str, Any]) -> dict[str, Any]:
    ports = entry.get("PortRange") or {}
    return {
        "ruleNo": entry["RuleNumber"],
        "action": entry["RuleAction"],
        "protocol": _WORDS.get(str(entry["Protocol"]), str(entry["Protocol"])),
        "cidrBlock": entry.get("CidrBlock", ""),
        "fromPort": ports.get("From", 0),
        "toPort": ports.get("To", 0),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    _bring(api, id_, old, new)
    ec2_retag(api, id_, old, new)


def _bring(api: Api, id_: str, old: Given, new: Given) -> None:
    """Rules and subnets from what they were to what they should be."""
    ec2 = api.client("ec2")
    for direction in ("ingress", "egress"):
        before = {rule["ruleNo"]: rule for rule in old.get(direction) or ()}
        after = {rule["ruleNo"]: rule for rule in new.get(direction) or ()}
        which = {"NetworkAclId": id_, "Egress": direction == "egress"}
        for number in sorted(before.keys() - after.keys()):
            ec2.delete_network_acl_entry(RuleNumber=number, **which)
        for number, rule in sorted(after.items()):
            if rule != before.get(number):
                put = ec2.replace_network_acl_entry if number in before else ec2.create_network_acl_entry
                put(**which, **_entry(rule))
    _guard(api, id_, set(new.get("subnetIds") or ()))


def _entry(rule: Rule) -> dict[str, Any]:
    protocol = str(rule["protocol"])
    return {
        "RuleNumber": rule["ruleNo"],
        "RuleAction": rule["action"],
        "Protocol": _PROTOCOLS.get(protocol, protocol),
        "CidrBlock": rule["cidrBlock"],
        "PortRange": {"From": rule["fromPort"], "To": rule["toPort"]},
    }


def _guard(api: Api, id_: str, subnets: set[str]) -> None:
    """These subnets and no others; one that is let go falls back to the VPC's default ACL, as each has just one."""
    ec2 = api.client("ec2")
    filters = [{"Name": "vpc-id", "Values": [_acl(api, id_)["VpcId"]]}]
    acls = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    default = next(acl["NetworkAclId"] for acl in acls if acl["IsDefault"])
    for acl in acls:
        for item in acl["Associations"]:
            ours, wanted = acl["NetworkAclId"] == id_, item["SubnetId"] in subnets
            if ours != wanted:
                ec2.replace_network_acl_association(
                    AssociationId=item["NetworkAclAssociationId"], NetworkAclId=id_ if wanted else default
                )


def _delete(api: Api, id_: str, state: Given) -> None:
    _guard(api, id_, set())
    api.patiently(lambda: api.client("ec2").delete_network_acl(NetworkAclId=id_), LEFTOVERS)


def _refuse(given: Given) -> Iterable[tuple[str, str]]:
    for direction in ("ingress", "egress"):
        rules = given.get(direction) or []
        if rules is UNKNOWN:
            continue
        if len(rules) > _RULES:
            yield direction, f"{len(rules)} rules, and {_RULES} a direction is the quota"
        numbers = [rule.get("ruleNo") for rule in rules]
        if len(set(numbers)) < len(numbers):
            yield direction, "two rules of one number"
        if any(isinstance(number, int) and not 1 <= number <= _LAST_RULE for number in numbers):
            yield direction, f"rule numbers are 1 to {_LAST_RULE}"


KINDS = (
    Kind(
        "aws:ec2/networkAcl:NetworkAcl",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="vpcId",
        live="subnetIds ingress egress tags",
        needs="vpcId",
        refuse=_refuse,
    ),
)
