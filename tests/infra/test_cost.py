"""Monthly cost of resources, worked by hand from the price table of eu-west-1."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from quartermaster.infra.cost import change, monthly_cost
from quartermaster.infra.resources import UNKNOWN, Resource

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
GROUP = "aws:autoscaling/group:Group"
DATABASE = "aws:rds/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
CLUSTER = "aws:eks/cluster:Cluster"
TABLE = "aws:dynamodb/table:Table"
NAT = "aws:ec2/natGateway:NatGateway"


def resource(type_: str, name: str = "web", **inputs: Any) -> Resource:
    return Resource(f"urn:pulumi:dev::shop::{type_}::{name}", type_, name, inputs)


def hosts(least: Any = 3, kind: str = "m6i.large") -> list[Resource]:
    disk = {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 20}}
    return [
        resource(TEMPLATE, instanceType=kind, blockDeviceMappings=[disk]),
        resource(GROUP, minSize=least, maxSize=12),
    ]


def rds(**inputs: Any) -> Resource:
    return resource(DATABASE, **{"engine": "postgres", "instanceClass": "db.m6i.large", **inputs})


def test_group_costs_its_min() -> None:
    cost = monthly_cost(hosts(), "eu-west-1")
    assert cost.total == Decimal("239.61")  # 3 x (0.107 x 730 + 20 x 0.088)
    assert cost.lines[0].why == "3 hosts (the group's min) of m6i.large with 20 GiB"


def test_more_hosts_never_cost_less() -> None:
    totals = [monthly_cost(hosts(least), "eu-west-1").total for least in range(5)]
    assert totals == sorted(totals)
    assert totals[0] == 0


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"multiAz": True}, "336.96"),  # 2 x 0.196 x 730 + 2 x 200 x 0.127
        ({"multiAz": False}, "168.48"),
    ],
)
def test_standby_doubles_a_database(inputs: dict[str, Any], expected: str) -> None:
    database = resource(DATABASE, engine="postgres", instanceClass="db.m6i.large", allocatedStorage=200, **inputs)
    assert monthly_cost([database], "eu-west-1").total == Decimal(expected)


def test_paid_iops_are_paid() -> None:
    inputs = {"engine": "postgres", "instanceClass": "db.m6i.large", "allocatedStorage": 200}
    database = resource(DATABASE, storageType="io1", iops=1000, **inputs)
    # 0.196 x 730 + 200 x 0.138 + 1000 x 0.11
    assert monthly_cost([database], "eu-west-1").total == Decimal("280.68")
    assert monthly_cost([resource(DATABASE, storageType="gp3", iops=3000, **inputs)], "eu-west-1").total == Decimal(
        "168.48"
    )


def test_warm_hosts_cost_their_disks() -> None:
    template, group = hosts()
    warm = Resource(group.urn, group.type, group.name, {**group.inputs, "warmPool": {"minSize": 2}})
    cost = monthly_cost([template, warm], "eu-west-1")
    assert cost.total == Decimal("243.13")  # 239.61 + 2 x 20 x 0.088
    assert cost.lines[0].why.endswith("disks of 2 warm hosts")


def test_group_in_the_recovery_region_is_priced_there() -> None:
    there = [Resource(one.urn + "r", one.type, one.name, {**one.inputs, "region": "eu-central-1"}) for one in hosts()]
    # 3 x (0.115 x 730 + 20 x 0.0952)
    assert monthly_cost([*hosts(), *there], "eu-west-1").total == Decimal("239.61") + Decimal("257.56")


def test_replica_has_the_storage_of_its_source() -> None:
    source = resource(DATABASE, "orders", engine="postgres", instanceClass="db.m6i.large", allocatedStorage=200)
    replica = resource(DATABASE, "orders-replica-1", replicateSourceDb=UNKNOWN, instanceClass="db.m6i.large")
    assert monthly_cost([source, replica], "eu-west-1").total == 2 * Decimal("168.48")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (resource("aws:ec2/natGateway:NatGateway"), "35.04"),
        (resource("aws:lb/loadBalancer:LoadBalancer", subnets=[UNKNOWN] * 3), "29.35"),  # 0.0252 + 3 x 0.005 an hour
        (resource("aws:lb/loadBalancer:LoadBalancer", subnets=[UNKNOWN] * 3, internal=True), "18.40"),
        (resource("aws:kms/key:Key"), "1.00"),
        (resource("aws:kms/key:Key", region="eu-central-1"), "1.00"),
        (resource("aws:ec2/natGateway:NatGateway", region="eu-central-1"), "37.96"),
        (resource("aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType="Gateway"), "0.00"),
        (resource("aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType="Interface", subnetIds=["a", "b"]), "16.06"),
        (resource("aws:cloudwatch/dashboard:Dashboard"), "3.00"),
        (resource("aws:cloudwatch/metricAlarm:MetricAlarm"), "0.10"),
        (
            resource(
                "aws:cloudwatch/metricAlarm:MetricAlarm",
                metricQueries=[{"metric": {}}, {"metric": {"a": 1}}, {"expression": "a/b"}, {"metric": {"b": 1}}],
            ),
            "0.20",
        ),
        (resource("aws:secretsmanager/secret:Secret", replicas=[{"region": "eu-central-1"}]), "0.80"),
        (resource("aws:route53/zone:Zone"), "0.50"),
        (resource("aws:route53/healthCheck:HealthCheck", type="HTTPS", requestInterval=10), "2.50"),
        (resource("aws:dynamodb/table:Table", billingMode="PAY_PER_REQUEST"), "0.00"),
        (resource("aws:backup/vault:Vault"), "0.00"),
        (resource("aws:ebs/volume:Volume", type="gp3", size=100, iops=4000, throughput=225), "18.70"),
        (resource("aws:ec2/subnet:Subnet"), "0.00"),
        (resource("ops:infra:Cluster"), "0.00"),
    ],
    ids=lambda value: getattr(value, "type", value),
)
def test_single_resources(one: Resource, expected: str) -> None:
    cost = monthly_cost([one], "eu-west-1")
    assert cost.total == Decimal(expected)
    assert cost.unknown == ()


@pytest.mark.parametrize(
    ("resources", "named"),
    [
        (hosts(kind="x9.large"), f"({GROUP}): no price of x9.large in eu-west-1"),
        (hosts(least=UNKNOWN), f"({GROUP}): its min size is not known yet"),
        (hosts()[1:], f"({GROUP}): its launch template, of the same name, is not among the resources"),
        ([resource(VOLUME, type="st1", size=500)], f"({VOLUME}): no price for a volume of type st1"),
        ([resource(VOLUME)], f"({VOLUME}): the size of a disk is not known"),
        ([resource(DATABASE, engine="oracle-ee")], f"({DATABASE}): no price for engine oracle-ee"),
        ([rds(instanceClass="db.x9.large")], f"({DATABASE}): no price of db.x9.large in eu-west-1"),
        ([rds()], f"({DATABASE}): its storage is not known"),
        (
            [rds(allocatedStorage=9, storageType="standard")],
            f"({DATABASE}): no price for storage of type standard",
        ),
        ([resource(BALANCER, loadBalancerType="gateway")], f"({BALANCER}): no price for a balancer of kind gateway"),
        ([resource(CLUSTER)], f"({CLUSTER}): no price for this type"),
        ([resource(TABLE, billingMode="PROVISIONED")], f"({TABLE}): no price for provisioned throughput"),
        ([resource(NAT, region="mars-1")], f"({NAT}): no nat_gateway_hour of mars-1 in the price table"),
    ],
)
def test_what_has_no_price_is_named_and_not_free(resources: list[Resource], named: str) -> None:
    [text] = monthly_cost(resources, "eu-west-1").unknown
    assert text == f"web {named}"


def test_charges_by_use_are_named_once() -> None:
    resources = [resource("aws:ec2/natGateway:NatGateway", f"nat-{zone}") for zone in "abc"]
    assert monthly_cost(resources, "eu-west-1").by_use == ("data through NAT gateways",)


def test_change_is_the_contracts_shape() -> None:
    before, after = monthly_cost(hosts(3), "eu-west-1"), monthly_cost(hosts(4), "eu-west-1")
    found = change(before, after)
    assert {key: found[key] for key in ("before", "after", "currency", "unknown")} == {
        "before": 239.61, "after": 319.48, "currency": "USD", "unknown": [],
    }  # fmt: skip
    assert found["delta"] == 79.87
    assert [(one["name"], one["before"], one["after"], one["delta"]) for one in found["resources"]] == [
        ("web", 239.61, 319.48, 79.87)
    ]


def test_what_goes_and_what_comes_stands_in_the_change() -> None:
    gone, come = resource("aws:kms/key:Key", "old"), resource("aws:kms/key:Key", "new")
    found = change(monthly_cost([gone], "eu-west-1"), monthly_cost([come], "eu-west-1"))
    assert [(one["name"], one["delta"]) for one in found["resources"]] == [("new", 1.0), ("old", -1.0)]
    assert found["not_included"] == ["KMS requests"]


def test_json_says_how_each_figure_comes_about() -> None:
    document = monthly_cost(hosts(), "eu-west-1").to_json()
    assert document["dated"] == "2025-10-01"
    assert document["lines"][0]["per_month"] == 239.61
