"""Where a stack goes in a network that exists, and what is refused with the value and the remedy."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.schema import Fleet
from quartermaster.infra.existing import FoundNetwork, FoundSubnet, Way, site
from quartermaster.infra.layout import layout

VPC = "vpc-0a"
FACING = {"web": {"balancer": {}}}
INSIDE = {"web": {"balancer": {"internal": True}}}


def subnet(number: int, zone: str, way: Way, vpc: str = VPC, bits: int = 24) -> FoundSubnet:
    return FoundSubnet(f"subnet-{number:x}", vpc, f"eu-west-1{zone}", IPv4Network(f"10.8.{number}.0/{bits}"), way)


def subnets(**ways: str) -> list[FoundSubnet]:
    """``internet="ab"``: a public subnet in zone a and one in zone b."""
    pairs = [(zone, way) for way, zones in ways.items() for zone in zones]
    return [subnet(number, zone, way) for number, (zone, way) in enumerate(pairs, 1)]  # type: ignore[arg-type]


def fleet(given: list[FoundSubnet], clusters: dict[str, Any] = FACING, *, zones: int = 2, **network: Any) -> Fleet:
    declared = {"vpc": VPC, "subnets": tuple(one.id for one in given), **network}
    return Fleet.model_validate({"fleet": "shop", "zones": zones, "clusters": clusters, "network": declared})


def there(*found: FoundSubnet) -> FoundNetwork:
    return FoundNetwork(VPC, IPv4Network("10.8.0.0/16"), {one.id: one for one in found})


def refused(given: list[FoundSubnet], network: FoundNetwork | None = None, **more: Any) -> list[Fault]:
    with pytest.raises(InputError) as caught:
        site(fleet(given, **more), network or there(*given))
    assert caught.value.exit_code == 2
    return list(caught.value.faults)


def test_each_subnet_has_its_tier() -> None:
    given = subnets(none="ba", internet="ab", nat="ba")
    made = site(fleet(given), there(*given)).of(layout(fleet(given), "dev"))
    assert [one.id for one in made.of("public")] == ["subnet-3", "subnet-4"]
    assert [one.id for one in made.of("private")] == ["subnet-6", "subnet-5"]
    assert [one.id for one in made.of("data")] == ["subnet-2", "subnet-1"]
    assert made.zones == ("eu-west-1a", "eu-west-1b")
    assert (str(made.cidr), made.nat_zones) == ("10.8.0.0/16", ())


@pytest.mark.parametrize("way", ["nat", "none"])
def test_databases_stand_beside_the_hosts_where_one_kind_is_all_there_is(way: str) -> None:
    given = subnets(**{way: "ab"})
    made = site(fleet(given, INSIDE), there(*given))
    assert {one.id for one in made.subnets if one.tier == "data"} == {"subnet-1", "subnet-2"}
    assert {one.id for one in made.subnets if one.tier == "private"} == {"subnet-1", "subnet-2"}


def test_an_unknown_vpc_is_named() -> None:
    [fault] = refused(subnets(nat="ab"), FoundNetwork(VPC, None, {}))
    assert (fault.where, fault.problem) == ("network.vpc", "there is no vpc-0a in eu-west-1")


def test_an_unknown_subnet_and_one_of_another_vpc_are_named_with_those_that_fit() -> None:
    given = [subnet(1, "a", "nat"), subnet(2, "b", "nat", vpc="vpc-0b"), subnet(3, "b", "nat")]
    other, unknown = refused(given, there(*given[:2]), clusters=INSIDE)
    assert (other.where, unknown.where) == ("network.subnets[1]", "network.subnets[2]")
    assert other.problem == "subnet-2 is in vpc-0b, not in vpc-0a"
    assert unknown.problem == "there is no subnet-3 in eu-west-1"
    assert unknown.remedy == "of vpc-0a: subnet-1"


def test_two_of_a_tier_in_one_zone_are_named() -> None:
    [fault] = refused(subnets(nat="aab"), clusters=INSIDE)
    assert "subnet-1 and subnet-2 are private and both in eu-west-1a" in fault.problem


def test_a_zone_that_is_missing_is_named() -> None:
    [fault] = refused(subnets(nat="ab", internet="abc"), zones=3, clusters=INSIDE)[:1]
    assert "in eu-west-1a, eu-west-1b, eu-west-1c" in fault.problem
    assert any("zones: 3" in one.problem for one in refused(subnets(nat="ab", internet="ab"), zones=3))


def test_a_tier_that_lacks_a_zone_of_the_hosts_is_named() -> None:
    [fault] = refused(subnets(nat="ab", none="a"), clusters=INSIDE)
    assert "the data subnets are in eu-west-1a and the hosts in eu-west-1a, eu-west-1b" in fault.problem


def test_a_balancer_that_faces_the_internet_needs_a_public_subnet() -> None:
    given, public = subnets(nat="ab"), subnet(9, "a", "internet")
    [fault] = refused(given, there(*given, public))
    assert fault.where == "clusters.web.balancer.internal"
    assert fault.remedy == "internal: true, or add public subnets: subnet-9 (eu-west-1a)"


def test_hosts_never_go_into_public_subnets() -> None:
    [fault] = refused(subnets(internet="ab"))
    assert "all subnets given are public" in fault.problem


def test_subnets_too_small_for_what_may_stand_in_them_are_refused() -> None:
    given = [subnet(1, "a", "nat"), subnet(2, "b", "nat", bits=28)]
    [fault] = refused(given, clusters={"web": {"size": {"min": 2, "max": 12}}})
    assert "subnet-2 (10.8.2.0/28) has 11 addresses and 13 may be needed" in fault.problem


def test_the_recovery_network_must_lie_apart_from_it() -> None:
    [fault] = refused(subnets(nat="ab"), clusters=INSIDE, recovery_cidr=IPv4Network("10.8.0.0/17"))
    assert fault.where == "network.recovery_cidr"
