"""What the API says of balancers is what HAProxy is made of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.infra.local import moto_acm, moto_balancers, moto_elbv2
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.balancer import BalancerSpec
from quartermaster.infra.local.balancers import Balancers
from quartermaster.infra.local.ledger import Ledger
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World

ACCOUNT, REGION = "123456789012", "eu-west-1"


@pytest.fixture(scope="module", autouse=True)
def corrected() -> None:
    moto_acm.install(Authority.new())
    moto_elbv2.correct()


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def balancer(kind: str) -> tuple[str, str]:
    """(network's id, ARN) of one over two zones."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{letter}")["Subnet"]
        for number, letter in enumerate("ab")
    ]
    ids = [subnet["SubnetId"] for subnet in subnets]
    made = client("elbv2").create_load_balancer(Name=f"the-{kind}", Subnets=ids, Type=kind)
    return vpc, made["LoadBalancers"][0]["LoadBalancerArn"]


def targets(vpc: str, name: str, protocol: str, **attributes: str) -> str:
    elb = client("elbv2")
    made = elb.create_target_group(Name=name, Protocol=protocol, Port=80, VpcId=vpc, HealthCheckPath="/healthz")
    arn = str(made["TargetGroups"][0]["TargetGroupArn"])
    if attributes:
        said = [{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()]
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=said)
    return arn


def found(tmp_path: Path, arn: str) -> BalancerSpec:
    """The balancer as HAProxy is told of it."""
    world = World("abc123", "shop", tmp_path, Timing.named("instant"), Ledger(tmp_path / "l"), False, account=ACCOUNT)
    return moto_balancers.specs(world)[arn]


@mock_aws
def test_shares_cookies_slow_starts_and_times_are_the_apis(tmp_path: Path) -> None:
    vpc, arn = balancer("application")
    sticky = {"stickiness__enabled": "true", "stickiness__lb_cookie__duration_seconds": "600"}
    blue = targets(vpc, "blue", "HTTP", slow_start__duration_seconds="30", **sticky)
    green = targets(vpc, "green", "HTTP")
    shares = [{"TargetGroupArn": blue, "Weight": 90}, {"TargetGroupArn": green, "Weight": 10}]
    stays = {"Enabled": True, "DurationSeconds": 60}
    forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": shares, "TargetGroupStickinessConfig": stays}}
    elb = client("elbv2")
    elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=[forward])
    said = {"idle_timeout.timeout_seconds": "30", "client_keep_alive.seconds": "230"}
    attributes = [{"Key": key, "Value": value} for key, value in said.items()]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    spec = found(tmp_path, arn)
    assert (spec.idle_seconds, spec.client_seconds) == (30, 230)
    assert (spec.fronts[0].pools, spec.fronts[0].sticky_seconds) == ((("blue", 90), ("green", 10)), 60)
    assert [(pool.sticky_seconds, pool.slow_start_seconds) for pool in spec.pools] == [(600, 30), (0, 0)]


@mock_aws
def test_tls_is_ended_with_the_listeners_certificate_and_the_plain_port_is_the_url(tmp_path: Path) -> None:
    vpc, arn = balancer("network")
    action = {"Type": "forward", "TargetGroupArn": targets(vpc, "feed", "TCP", stickiness__enabled="true")}
    certificate = client("acm").request_certificate(DomainName="feed.shop.example")["CertificateArn"]
    elb = client("elbv2")
    elb.create_listener(LoadBalancerArn=arn, Port=8080, Protocol="TCP", DefaultActions=[action])
    elb.create_listener(
        LoadBalancerArn=arn, Port=443, Protocol="TLS", DefaultActions=[action],
        Certificates=[{"CertificateArn": certificate}], SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
    )  # fmt: skip
    spec = found(tmp_path, arn)
    secure, plain = spec.fronts
    assert secure.tls is not None
    assert secure.tls.least == "TLSv1.2"
    assert secure.tls.pem.startswith("-----BEGIN CERTIFICATE")
    assert (plain.tls, plain.mode, plain.idle_seconds) == (None, "tcp", 350)
    assert spec.url.endswith(":8080")
    assert spec.pools[0].algorithm == "source_ip"


@mock_aws
def test_it_has_an_address_in_each_of_its_zones_that_stays_and_goes_with_its_subnet(tmp_path: Path) -> None:
    vpc, arn = balancer("application")
    first = found(tmp_path, arn)
    assert [zone for zone, _ in first.legs] == [f"{REGION}a", f"{REGION}b"]
    assert [address.rpartition(".")[0] for _, address in first.legs] == ["10.0.0", "10.0.1"]
    assert first.address not in first.listens
    assert found(tmp_path, arn).legs == first.legs
    ec2, elb = client("ec2"), client("elbv2")
    zones = elb.describe_load_balancers()["LoadBalancers"][0]["AvailabilityZones"]
    a = next(zone["SubnetId"] for zone in zones if zone["ZoneName"] == f"{REGION}a")
    c = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.2.0/24", AvailabilityZone=f"{REGION}c")["Subnet"]["SubnetId"]
    elb.set_subnets(LoadBalancerArn=arn, Subnets=[a, c])
    moved = found(tmp_path, arn).legs
    assert [zone for zone, _ in moved] == [f"{REGION}a", f"{REGION}c"]
    assert moved[0] == first.legs[0]


@mock_aws
def test_dns_leaves_a_silent_leg_out_after_a_while_and_all_of_them_never(tmp_path: Path) -> None:
    _, arn = balancer("application")
    spec, clock = found(tmp_path, arn), [100.0]
    timing = Timing.named("real")
    world = World("abc123", "shop", tmp_path, timing, Ledger(tmp_path / "l"), False, account=ACCOUNT)
    world.now = lambda: clock[0]  # type: ignore[method-assign]
    balancers = Balancers(world, Any, SimpleNamespace(submit=lambda *_: None))  # type: ignore[arg-type]
    (zone_a, leg_a), (zone_b, leg_b) = spec.legs

    def answered() -> Any:
        balancers.step({arn: spec}, {})
        return balancers.facts()[0]["answered"]

    assert answered() == [leg_a, leg_b]
    world.failed_zones.add(zone_a)
    assert answered() == [leg_a, leg_b]  # clients go on asking it
    clock[0] += timing["balancer_dns"]
    assert answered() == [leg_b]
    assert balancers.facts()[0]["url"] == f"http://{leg_b}"
    world.failed_zones.add(zone_b)
    assert answered() == [leg_b]
    clock[0] += timing["balancer_dns"]
    assert answered() == [leg_a, leg_b]  # where none lives, DNS answers with all
    world.failed_zones.clear()
    assert answered() == [leg_a, leg_b]
