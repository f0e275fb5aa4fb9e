"""The DNS names of a stack's clusters, and whose balancer a cluster's hosts stand behind."""

from __future__ import annotations

from typing import Any

from quartermaster.fleet.hostnames import host_names
from quartermaster.fleet.schema import Fleet

AWS = {"target": "aws", "account": "123456789012"}


def fleet(**stacks: Any) -> Fleet:
    weighted = {"algorithm": "weighted", "weights": {"web": 90, "canary": 10}}
    clusters = {"web": {"balancer": weighted}, "canary": {}, "api": {"balancer": {}}, "batch": {}}
    values = {"fleet": "shop", "dns": {"zone": "shop.example"}, "clusters": clusters, "stacks": stacks}
    return Fleet.model_validate(values)


def test_the_first_balancer_has_the_name_and_each_other_that_of_its_cluster() -> None:
    assert host_names(fleet(dev={}), "dev") == {"web": "www.shop.example", "api": "api.shop.example"}


def test_stacks_that_share_a_zone_share_no_name() -> None:
    two = fleet(test=AWS, prod={**AWS, "protect": True})
    assert host_names(two, "prod")["web"] == "www.shop.example"
    assert host_names(two, "test")["web"] == "www-test.shop.example"


def test_a_cluster_stands_behind_its_own_balancer_or_that_which_gives_it_a_share() -> None:
    found = {name: fleet(dev={}).balancer_of(name) for name in ("web", "canary", "api", "batch")}
    assert {name: one and one[0] for name, one in found.items()} == {
        "web": "web", "canary": "web", "api": "api", "batch": None,
    }  # fmt: skip
