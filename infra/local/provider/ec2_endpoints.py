"""Endpoints of AWS's services in a VPC: gateways, which are routes, and interfaces, which are addresses in subnets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, State
from quartermaster.infra.local.provider.tagging import as_map, ec2_retag, read_tags, tag_on_create

__all__ = ["KINDS"]

_LISTS = {"routeTableIds": "RouteTable", "subnetIds": "Subnet", "securityGroupIds": "SecurityGroup"}
"""Inputs that can be added to and taken from, with EC2's word for one of them."""
_OF_AN_INTERFACE = ("subnetIds", "securityGroupIds", "privateDnsEnabled")


def _create(api: Api, given: Given) -> str:
    lists = {f"{word}Ids": given[name] for name, word in _LISTS.items() if given.get(name)}
    answer = api.client("ec2").create_vpc_endpoint(
        VpcId=given["vpcId"],
        ServiceName=given["serviceName"],
        VpcEndpointType=given.get("vpcEndpointType", "Gateway"),
        PrivateDnsEnabled=bool(given.get("privateDnsEnabled", False)),
        TagSpecifications=tag_on_create("vpc-endpoint", given),
        **lists,
    )
    id_ = str(answer["VpcEndpoint"]["VpcEndpointId"])
    api.wait(f"endpoint {id_} is available", lambda: _state(_found(api, id_)) == "available")
    return id_


def _found(api: Api, id_: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = api.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[id_])["VpcEndpoints"]
    return found[0] if found else {}


def _state(found: dict[str, Any]) -> str:
    return str(found.get("State", "deleted")).lower()


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = _found(api, id_)
    if _state(found) in ("deleted", "deleting"):
        return None
    groups = found.get("Groups") or []
    return {
        "arn": api.arn("ec2", f"vpc-endpoint/{id_}"),
        "vpcId": found["VpcId"],
        "serviceName": found["ServiceName"],
        "vpcEndpointType": found["VpcEndpointType"],
        "privateDnsEnabled": bool(found.get("PrivateDnsEnabled", False)),
        "routeTableIds": sorted(found.get("RouteTableIds") or []),
        "subnetIds": sorted(found.get("SubnetIds") or []),
        "securityGroupIds": sorted(group["GroupId"] for group in groups),
        **read_tags(as_map(found.get("Tags"))),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    changes: dict[str, Any] = {}
    for name, word in _LISTS.items():
        before, after = set(old.get(name) or ()), set(new.get(name) or ())
        changes |= {f"Add{word}Ids": sorted(after - before)} if after - before else {}
        changes |= {f"Remove{word}Ids": sorted(before - after)} if before - after else {}
    if new.get("privateDnsEnabled", False) != old.get("privateDnsEnabled", False):
        changes["PrivateDnsEnabled"] = bool(new.get("privateDnsEnabled", False))
    if changes:
        api.client("ec2").modify_vpc_endpoint(VpcEndpointId=id_, **changes)
    ec2_retag(api, id_, old, new)


def _delete(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[id_])
    api.wait(f"endpoint {id_} is deleted", lambda: _state(_found(api, id_)) == "deleted")


def _refuse(given: Given) -> Iterable[tuple[str, str]]:
    gateway = given.get("vpcEndpointType", "Gateway") == "Gateway"
    if gateway:
        service = str(given.get("serviceName", "")).rpartition(".")[2]
        if service not in ("s3", "dynamodb"):
            yield "serviceName", f"{service} has no gateway endpoint, only s3 and dynamodb have"
        for name in _OF_AN_INTERFACE:
            if given.get(name):
                yield name, "a gateway endpoint is a route: it has no subnets, security groups or names"
    elif given.get("routeTableIds"):
        yield "routeTableIds", "an interface endpoint is an address in subnets: no route leads to it"


KINDS = (
    Kind(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="vpcId serviceName vpcEndpointType",
        live="routeTableIds subnetIds securityGroupIds privateDnsEnabled tags",
        needs="vpcId serviceName",
        refuse=_refuse,
    ),
)
