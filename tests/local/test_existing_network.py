"""A stack in a network that somebody else made: it comes and goes, and nothing of the network is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from census import census, everything
from stacks import Stand, run, stand

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.hosts import Hosts

pytestmark = pytest.mark.engine

ZONES = ("eu-west-1b", "eu-west-1c")
NETWORK = ("vpc", "subnet", "internet gateway", "nat gateway", "address", "route table", "network acl", "endpoint")
FLEET = """
fleet: shop
zones: 2
network: {{vpc: {vpc}, subnets: [{subnets}]}}
clusters:
  web: {{size: {{min: 2, max: 4}}, balancer: {{}}}}
"""


@dataclass
class Site:
    """A cloud in which somebody has a VPC with a public and a private subnet in two zones."""

    stand: Stand
    vpc: str
    public: list[str]
    private: list[str]

    def write(self, *subnets: str) -> None:
        """A fleet.yaml that names these subnets."""
        self.stand.write(FLEET.format(vpc=self.vpc, subnets=", ".join(subnets)))

    def refused(self, act: str) -> list[str]:
        """Where the faults are for which the act is refused."""
        with pytest.raises(InputError) as caught:
            run(self.stand.deployment(), act)
        assert caught.value.exit_code == 2
        return [fault.where for fault in caught.value.faults]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with stand(tmp_path_factory.mktemp("existing"), "fleet: shop\n") as built:
        ec2 = built.cloud.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
        public = [_subnet(ec2, vpc, number, zone) for number, zone in enumerate(ZONES)]
        private = [_subnet(ec2, vpc, number + 8, zone) for number, zone in enumerate(ZONES)]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        for subnet in public:
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        yield Site(built, vpc, public, private)


def _subnet(ec2: Any, vpc: str, number: int, zone: str) -> str:
    answer = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.8.{number}.0/24", AvailabilityZone=zone)
    return str(answer["Subnet"]["SubnetId"])


def network(made: Site) -> dict[str, Any]:
    """The network as the API describes it, but for the addresses that hosts take of it."""
    found = everything(made.stand.cloud)
    subnets = [{**subnet, "AvailableIpAddressCount": 0} for subnet in found["subnet"]]
    return {**{kind: found[kind] for kind in NETWORK}, "subnet": subnets}


def test_what_does_not_fit_is_refused_before_anything_is_made(made: Site) -> None:
    before = census(made.stand.cloud)
    made.write(*made.private, "subnet-0")
    assert made.refused("up") == ["network.subnets[2]"]
    made.write(*made.private)
    assert made.refused("up") == ["clusters.web.balancer.internal"]
    assert census(made.stand.cloud) == before


def test_it_comes_changes_nothing_and_goes(made: Site) -> None:
    before = census(made.stand.cloud), network(made)
    made.write(*made.public, *made.private)
    run(made.stand.deployment(), "up")
    found = everything(made.stand.cloud)
    [group], [balancer] = found["group"], found["balancer"]
    assert set(group["VPCZoneIdentifier"].split(",")) == set(made.private)
    assert {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} == set(made.public)
    # Leases and drills are for the zones where hosts are, not for the first of the region.
    assert Hosts(made.stand.cloud).group("web").zones == ZONES
    assert network(made) == before[1]
    again = made.stand.deployment().preview().changes
    assert {kind: count for kind, count in again.items() if count and kind != "same"} == {}
    run(made.stand.deployment(), "destroy")
    assert (census(made.stand.cloud), network(made)) == before
