"""Endpoints and network ACLs of the local cloud: made, read back, changed and deleted through the API of a region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from quartermaster.fleet.aws import Cloud
from quartermaster.infra.existing import find_network
from quartermaster.infra.local.provider.engine import compare
from quartermaster.infra.local.provider.kind import Api
from quartermaster.infra.local.provider.table import TABLE
from quartermaster.infra.local.provider.values import project
from quartermaster.infra.lookup import LOOKUPS

ENDPOINT, ACL = TABLE["aws:ec2/vpcEndpoint:VpcEndpoint"], TABLE["aws:ec2/networkAcl:NetworkAcl"]
INGRESS = [
    {"ruleNo": number, "action": "allow", "protocol": "tcp", "cidrBlock": cidr, "fromPort": 5432, "toPort": 5432}
    for number, cidr in ((100, "10.8.0.0/24"), (110, "10.8.1.0/24"))
]
EGRESS = [{**rule, "fromPort": 1024, "toPort": 65535} for rule in INGRESS]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Api(lambda service, region: boto3.client(service, region_name=region), "eu-central-1", "123456789012")


@pytest.fixture
def vpc(api: Api) -> str:
    return str(api.client("ec2").create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"])


def subnet(api: Api, vpc: str, number: int) -> str:
    made = api.client("ec2").create_subnet(
        VpcId=vpc, CidrBlock=f"10.8.{number}.0/24", AvailabilityZone=f"{api.region}{'abc'[number % 3]}"
    )
    return str(made["Subnet"]["SubnetId"])


def seen(kind: Any, api: Api, id_: str, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs as the API has them now."""
    state = kind.read(api, id_, given)
    return {name: project(value, state[name]) for name, value in given.items()}


def test_an_interface_endpoint_follows_its_inputs(api: Api, vpc: str) -> None:
    subnets = [subnet(api, vpc, number) for number in range(3)]
    group = api.client("ec2").create_security_group(GroupName="endpoints", Description="-", VpcId=vpc)["GroupId"]
    given = {
        "vpcId": vpc,
        "serviceName": f"com.amazonaws.{api.region}.ssm",
        "vpcEndpointType": "Interface",
        "subnetIds": subnets[:2],
        "securityGroupIds": [group],
        "privateDnsEnabled": True,
    }
    id_ = ENDPOINT.create(api, given)
    assert seen(ENDPOINT, api, id_, given) == given
    more = {**given, "subnetIds": subnets}
    assert compare(ENDPOINT, given, more) == {"subnetIds": False}
    ENDPOINT.update(api, id_, given, more)
    assert seen(ENDPOINT, api, id_, more) == more
    ENDPOINT.delete(api, id_, more)
    assert ENDPOINT.read(api, id_, more) is None


def test_an_acl_guards_its_subnets_and_lets_go_of_them(api: Api, vpc: str) -> None:
    one, two = subnet(api, vpc, 0), subnet(api, vpc, 1)
    given = {"vpcId": vpc, "subnetIds": [one], "ingress": INGRESS, "egress": EGRESS, "tags": {"Name": "data"}}
    id_ = ACL.create(api, given)
    assert seen(ACL, api, id_, given) == given
    changed = {**given, "subnetIds": [two], "ingress": [{**INGRESS[0], "toPort": 5433}], "egress": EGRESS[:1]}
    ACL.update(api, id_, given, changed)
    assert seen(ACL, api, id_, changed) == changed
    ACL.delete(api, id_, changed)
    [default] = api.client("ec2").describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    assert {item["SubnetId"] for item in default["Associations"]} == {one, two}


def test_a_rule_added_by_hand_is_drift(api: Api, vpc: str) -> None:
    given = {"vpcId": vpc, "subnetIds": [], "ingress": INGRESS, "egress": EGRESS}
    id_ = ACL.create(api, given)
    api.client("ec2").create_network_acl_entry(
        NetworkAclId=id_, RuleNumber=90, Protocol="-1", RuleAction="allow", Egress=False, CidrBlock="0.0.0.0/0"
    )
    assert [rule["ruleNo"] for rule in seen(ACL, api, id_, given)["ingress"]] == [90, 100, 110]


def test_a_network_is_read_with_the_way_of_each_subnet(api: Api, vpc: str) -> None:
    ec2 = api.client("ec2")
    public, private, closed = (subnet(api, vpc, number) for number in range(3))
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    nat = ec2.create_nat_gateway(SubnetId=public, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    for target, hop in ((public, {"GatewayId": gateway}), (private, {"NatGatewayId": nat})):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **hop)
        ec2.associate_route_table(RouteTableId=table, SubnetId=target)

    import boto3

    cloud = Cloud("shop", "dev", "local", api.region, boto3.Session(region_name=api.region))
    found = find_network(cloud, vpc, [public, private, closed, "subnet-0"])
    assert str(found.cidr) == "10.8.0.0/16"
    assert {one.id: one.way for one in found.subnets.values()} == {public: "internet", private: "nat", closed: "none"}
    assert find_network(cloud, "vpc-0", []).cidr is None


def test_a_route_is_refused_where_its_destination_has_one_and_bears_the_id_that_it_is_found_by(
    api: Api, vpc: str
) -> None:
    ec2, kind = api.client("ec2"), TABLE["aws:ec2/route:Route"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    given = {"routeTableId": table, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway}
    made = kind.create(api, given)
    assert LOOKUPS["aws:ec2/route:Route"].ids(ec2, f"urn:pulumi:dev::shop::{kind.token}::public", given) == (made,)
    with pytest.raises(ec2.exceptions.ClientError, match="RouteAlreadyExists"):
        kind.create(api, given)
