"""How many addresses a fleet may come to need, and the smallest network that has them."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.fleet.addresses import LEAST_PREFIX, cut, needs, prefix_for, usable
from quartermaster.fleet.schema import Fleet


def fleet(**parts: Any) -> Fleet:
    return Fleet.model_validate({"fleet": "shop", "region": "us-east-1", **parts})


def hosts(most: int, **more: Any) -> dict[str, Any]:
    return {"web": {"size": {"min": 0, "max": most}, **more}}


@pytest.mark.parametrize(
    ("most", "zones", "survive", "each"),
    [
        (30, 3, 1, 15 + 3),  # one zone lost: 30 over two, and a tenth while hosts are replaced
        (30, 6, 2, 8 + 3),  # two lost: 30 over four, rounded up
        (30, 2, 0, 30 + 3),  # the group moves out of a lost zone whether it was planned for or not
        (3, 3, 1, 2 + 1),
    ],
)
def test_the_zones_left_hold_every_host(most: int, zones: int, survive: int, each: int) -> None:
    capacity = {"web": {"survive": {"zones": survive}}}
    assert needs(fleet(zones=zones, clusters=hosts(most), capacity=capacity), zones)["private"].addresses == each


@pytest.mark.parametrize(
    ("balancer", "zones", "each"),
    [
        ({}, 2, 50),  # 100 over all subnets
        ({}, 6, 17),
        ({"kind": "network"}, 3, 8),
    ],
)
def test_a_balancer_may_grow(balancer: dict[str, Any], zones: int, each: int) -> None:
    made = fleet(zones=zones, clusters=hosts(3, balancer=balancer), network={"nat": "none"})
    assert needs(made, zones, grown=True)["public"].addresses == each


def test_each_part_is_named() -> None:
    made = fleet(
        clusters=hosts(3, balancer={"internal": True}),
        databases={"orders": {"replicas": 2}, "sessions": {"engine": "dynamodb"}},
        network={"endpoints": ("ssm",)},
    )
    found = needs(made, 3)
    assert found["public"].why == "1 for the NAT gateway"
    assert found["data"].why == "5 for database orders"
    for word in ("SSM", "hosts of web", "balancer web", "login of orders"):
        assert word in found["private"].why


def test_an_existing_network_has_gateways_and_endpoints_of_its_own() -> None:
    assert needs(fleet(), 3, existing=True)["public"].addresses == 0


@given(most=st.integers(1, 2_000), replicas=st.integers(0, 15), zones=st.integers(2, 6))
def test_the_prefix_is_the_smallest_network_that_holds_them(most: int, replicas: int, zones: int) -> None:
    clusters, databases = hosts(most, balancer={}), {"orders": {"replicas": replicas}}
    wanted = needs(fleet(zones=zones, clusters=clusters, databases=databases), zones)
    prefix = prefix_for(wanted)
    assert prefix is not None

    def fits(bits: int) -> bool:
        return all(
            usable(part) >= wanted[tier].addresses for tier, _, part in cut(IPv4Network(f"10.0.0.0/{bits}"), "a")
        )

    assert fits(prefix)
    assert prefix == LEAST_PREFIX or not fits(prefix + 1)


def test_what_no_network_holds_has_no_prefix() -> None:
    assert prefix_for(needs(fleet(clusters=hosts(10_000)), 2)) is None
