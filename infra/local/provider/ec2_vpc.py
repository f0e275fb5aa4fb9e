"""VPC, subnets, internet gateway, addresses and NAT gateways."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_map, ec2_retag, read_tags, tag_on_create

__all__ = ["KINDS"]

LEFTOVERS = ("DependencyViolation", "InvalidIPAddress.InUse", "AuthFailure")
"""Answers while something that was just deleted still lets go."""

_CIDR = Limit(r"[\d.]+/(1[6-9]|2[0-8])", "networks and subnets are /16 to /28")


def _create_vpc(api: Api, given: Given) -> str:
    ec2 = api.client("ec2")
    answer = ec2.create_vpc(CidrBlock=given["cidrBlock"], TagSpecifications=tag_on_create("vpc", given))
    id_: str = answer["Vpc"]["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[id_], WaiterConfig={"Delay": 1})
    _update_vpc(api, id_, {}, {**given, "tags": {}})
    return id_


def _read_vpc(api: Api, id_: str, given: Given) -> State | None:
    ec2 = api.client("ec2")
    vpc = ec2.describe_vpcs(VpcIds=[id_])["Vpcs"][0]
    names, support = (
        ec2.describe_vpc_attribute(VpcId=id_, Attribute=name)[key]["Value"]
        for name, key in (("enableDnsHostnames", "EnableDnsHostnames"), ("enableDnsSupport", "EnableDnsSupport"))
    )
    return {
        "arn": api.arn("ec2", f"vpc/{id_}"),
        "cidrBlock": vpc["CidrBlock"],
        "enableDnsHostnames": names,
        "enableDnsSupport": support,
        **read_tags(as_map(vpc.get("Tags"))),
    }


def _update_vpc(api: Api, id_: str, old: Given, new: Given) -> None:
    ec2 = api.client("ec2")
    if "enableDnsSupport" in new and new["enableDnsSupport"] != old.get("enableDnsSupport", True):
        ec2.modify_vpc_attribute(VpcId=id_, EnableDnsSupport={"Value": new["enableDnsSupport"]})
    if "enableDnsHostnames" in new and new["enableDnsHostnames"] != old.get("enableDnsHostnames", False):
        ec2.modify_vpc_attribute(VpcId=id_, EnableDnsHostnames={"Value": new["enableDnsHostnames"]})
    ec2_retag(api, id_, old, new)


def _delete_vpc(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("ec2").delete_vpc(VpcId=id_), LEFTOVERS)


def _create_subnet(api: Api, given: Given) -> str:
    ec2 = api.client("ec2")
    answer = ec2.create_subnet(
        VpcId=given["vpcId"],
        CidrBlock=given["cidrBlock"],
        AvailabilityZone=given["availabilityZone"],
        TagSpecifications=tag_on_create("subnet", given),
    )
    id_: str = answer["Subnet"]["SubnetId"]
    if given.get("mapPublicIpOnLaunch"):
        ec2.modify_subnet_attribute(SubnetId=id_, MapPublicIpOnLaunch={"Value": True})
    return id_


def _read_subnet(api: Api, id_: str, given: Given) -> State | None:
    subnet = api.client("ec2").describe_subnets(SubnetIds=[id_])["Subnets"][0]
    return {
        "arn": api.arn("ec2", f"subnet/{id_}"),
        "vpcId": subnet["VpcId"],
        "cidrBlock": subnet["CidrBlock"],
        "availabilityZone": subnet["AvailabilityZone"],
        "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
        **read_tags(as_map(subnet.get("Tags"))),
    }


def _update_subnet(api: Api, id_: str, old: Given, new: Given) -> None:
    public = bool(new.get("mapPublicIpOnLaunch", False))
    if public != bool(old.get("mapPublicIpOnLaunch", False)):
        api.client("ec2").modify_subnet_attribute(SubnetId=id_, MapPublicIpOnLaunch={"Value": public})
    ec2_retag(api, id_, old, new)


def _delete_subnet(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("ec2").delete_subnet(SubnetId=id_), LEFTOVERS)


def _create_gateway(api: Api, given: Given) -> str:
    ec2 = api.client("ec2")
    answer = ec2.create_internet_gateway(TagSpecifications=tag_on_create("internet-gateway", given))
    id_: str = answer["InternetGateway"]["InternetGatewayId"]
    if given.get("vpcId"):
        ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=given["vpcId"])
    return id_


def _read_gateway(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("ec2").describe_internet_gateways(InternetGatewayIds=[id_])["InternetGateways"][0]
    attached = [item["VpcId"] for item in found["Attachments"]]
    return {
        "arn": api.arn("ec2", f"internet-gateway/{id_}"),
        "vpcId": attached[0] if attached else "",
        **read_tags(as_map(found.get("Tags"))),
    }


def _update_gateway(api: Api, id_: str, old: Given, new: Given) -> None:
    ec2, before, after = api.client("ec2"), old.get("vpcId"), new.get("vpcId")
    if before != after:
        if before:
            ec2.detach_internet_gateway(InternetGatewayId=id_, VpcId=before)
        if after:
            ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=after)
    ec2_retag(api, id_, old, new)


def _delete_gateway(api: Api, id_: str, state: Given) -> None:
    ec2 = api.client("ec2")
    found = ec2.describe_internet_gateways(InternetGatewayIds=[id_])["InternetGateways"][0]
    for item in found["Attachments"]:
        detach = partial(ec2.detach_internet_gateway, InternetGatewayId=id_, VpcId=item["VpcId"])
        api.patiently(detach, LEFTOVERS)
    ec2.delete_internet_gateway(InternetGatewayId=id_)


def _create_address(api: Api, given: Given) -> str:
    answer = api.client("ec2").allocate_address(
        Domain=given.get("domain", "vpc"), TagSpecifications=tag_on_create("elastic-ip", given)
    )
    return str(answer["AllocationId"])


def _read_address(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("ec2").describe_addresses(AllocationIds=[id_])["Addresses"][0]
    return {
        "arn": api.arn("ec2", f"elastic-ip/{id_}"),
        "allocationId": id_,
        "domain": found["Domain"],
        "publicIp": found["PublicIp"],
        **read_tags(as_map(found.get("Tags"))),
    }


def _delete_address(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("ec2").release_address(AllocationId=id_), LEFTOVERS)


def _create_nat(api: Api, given: Given) -> str:
    ec2 = api.client("ec2")
    address = {"AllocationId": given["allocationId"]} if given.get("allocationId") else {}
    answer = ec2.create_nat_gateway(
        SubnetId=given["subnetId"],
        **address,
        ConnectivityType=given.get("connectivityType", "public"),
        TagSpecifications=tag_on_create("natgateway", given),
    )
    id_: str = answer["NatGateway"]["NatGatewayId"]
    api.wait(f"NAT gateway {id_} is available", lambda: _nat_state(api, id_) == "available")
    return id_


def _refuse_nat(given: Given) -> Iterable[tuple[str, str]]:
    if given.get("connectivityType", "public") == "public" and "allocationId" not in given:
        yield "allocationId", "a public NAT gateway needs an address"
    if given.get("connectivityType") == "private" and "allocationId" in given:
        yield "allocationId", "a private NAT gateway has no public address"


def _nat_state(api: Api, id_: str) -> str:
    found = api.client("ec2").describe_nat_gateways(NatGatewayIds=[id_])["NatGateways"]
    return str(found[0]["State"]) if found else "deleted"


def _read_nat(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("ec2").describe_nat_gateways(NatGatewayIds=[id_])["NatGateways"]
    if not found or found[0]["State"] in ("deleted", "deleting", "failed"):
        return None
    address = (found[0].get("NatGatewayAddresses") or [{}])[0]
    return {
        "subnetId": found[0]["SubnetId"],
        "allocationId": address.get("AllocationId", ""),
        "connectivityType": found[0].get("ConnectivityType", "public"),
        "publicIp": address.get("PublicIp", ""),
        **read_tags(as_map(found[0].get("Tags"))),
    }


def _delete_nat(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").delete_nat_gateway(NatGatewayId=id_)
    api.wait(f"NAT gateway {id_} is deleted", lambda: _nat_state(api, id_) == "deleted")


KINDS = (
    Kind(
        "aws:ec2/vpc:Vpc",
        create=_create_vpc,
        read=_read_vpc,
        update=_update_vpc,
        delete=_delete_vpc,
        fixed="cidrBlock",
        live="enableDnsHostnames enableDnsSupport tags",
        needs="cidrBlock",
        limits={"cidrBlock": _CIDR},
    ),
    Kind(
        "aws:ec2/subnet:Subnet",
        create=_create_subnet,
        read=_read_subnet,
        update=_update_subnet,
        delete=_delete_subnet,
        fixed="vpcId cidrBlock availabilityZone",
        live="mapPublicIpOnLaunch tags",
        needs="vpcId cidrBlock availabilityZone",
        limits={"cidrBlock": _CIDR},
    ),
    Kind(
        "aws:ec2/internetGateway:InternetGateway",
        create=_create_gateway,
        read=_read_gateway,
        update=_update_gateway,
        delete=_delete_gateway,
        live="vpcId tags",
    ),
    Kind(
        "aws:ec2/eip:Eip",
        create=_create_address,
        read=_read_address,
        update=ec2_retag,
        delete=_delete_address,
        fixed="domain",
        live="tags",
    ),
    Kind(
        "aws:ec2/natGateway:NatGateway",
        create=_create_nat,
        read=_read_nat,
        update=ec2_retag,
        delete=_delete_nat,
        fixed="subnetId allocationId connectivityType",
        live="tags",
        needs="subnetId",
        refuse=_refuse_nat,
    ),
)
