"""Connections live as long as the zone objective allows, and longer at the hosts than at the balancer."""

from __future__ import annotations

from typing import Any

import pytest

from quartermaster.fleet.connections import KeepAlive, keep_alive
from quartermaster.fleet.schema import Fleet


def times(rto: str = "", **balancer: Any) -> KeepAlive:
    recovery = {"web": {"zone": {"rto": rto}}} if rto else {}
    fleet = Fleet.model_validate({"fleet": "shop", "clusters": {"web": {"balancer": balancer}}, "recovery": recovery})
    declared = fleet.clusters["web"].balancer
    assert declared is not None
    return keep_alive(fleet, "web", declared)


@pytest.mark.parametrize(
    ("rto", "expected"),
    [
        ("", KeepAlive(60, 300, 75)),
        ("5m", KeepAlive(60, 230, 75)),
        ("40s", KeepAlive(30, 60, 45)),
        ("5s", KeepAlive(10, 60, 25)),
    ],
)
def test_the_zone_objective_shortens_connections(rto: str, expected: KeepAlive) -> None:
    assert times(rto) == expected


def test_what_the_file_says_wins_and_hosts_still_keep_connections_longer() -> None:
    assert times("40s", idle_seconds=120) == KeepAlive(120, 60, 135)


def test_before_a_network_balancer_the_host_closes_first() -> None:
    assert times(kind="network") == KeepAlive(350, 300, 75)
    assert times(kind="network", idle_seconds=60).host < 60
