"""The data tier's ACL lets hosts ask and be answered, and nothing else."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from quartermaster.fleet.schema import Fleet
from quartermaster.infra.acl import Rule, incoming, outgoing
from quartermaster.infra.layout import Tier, layout

LAYOUT = layout(Fleet.model_validate({"fleet": "shop", "region": "us-east-1", "zones": 6}), "dev")
HOST, DATABASE, PUBLIC = (LAYOUT.of(tier)[0].cidr[9] for tier in ("private", "data", "public"))
CLIENT_PORT = 40_000


def passes(rules: tuple[Rule, ...], peer: IPv4Address, port: int) -> bool:
    return any(peer in rule.cidr and rule.ports[0] <= port <= rule.ports[1] for rule in rules)


@pytest.mark.parametrize("replicas", [False, True])
def test_a_host_asks_at_the_databases_port_and_gets_its_answer(replicas: bool) -> None:
    assert passes(incoming(LAYOUT, replicas=replicas), HOST, 5432)
    assert passes(outgoing(LAYOUT, replicas=replicas), HOST, CLIENT_PORT)
    assert not passes(incoming(LAYOUT, replicas=replicas), HOST, 22)
    assert not passes(outgoing(LAYOUT, replicas=replicas), HOST, 443)


@pytest.mark.parametrize("peer", [PUBLIC, IPv4Address("203.0.113.9")])
def test_nobody_else_comes_in_or_is_answered(peer: IPv4Address) -> None:
    for rules in (incoming(LAYOUT, replicas=True), outgoing(LAYOUT, replicas=True)):
        assert not any(passes(rules, peer, port) for port in (22, 443, 5432, CLIENT_PORT))


def test_a_replica_reaches_its_primary_in_another_zone_and_is_answered() -> None:
    inward, outward = incoming(LAYOUT, replicas=True), outgoing(LAYOUT, replicas=True)
    assert all(passes(rules, DATABASE, port) for rules in (inward, outward) for port in (5432, CLIENT_PORT))
    assert not passes(incoming(LAYOUT, replicas=False), DATABASE, 5432)


@pytest.mark.parametrize("tier", ["private", "data"])
def test_every_zone_has_a_rule_and_all_fit_into_the_quota(tier: Tier) -> None:
    for rules in (incoming(LAYOUT, replicas=True), outgoing(LAYOUT, replicas=True)):
        assert {subnet.cidr for subnet in LAYOUT.of(tier)} <= {rule.cidr for rule in rules}
        assert len({rule.number for rule in rules}) == len(rules) <= 20
