"""What fleet.yaml takes as the subject of a drill, and what the drill takes, are the same."""

from __future__ import annotations

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.runbooks import drill
from quartermaster.runbooks.kinds import KINDS

TEXT = """fleet: shop
recovery_region: eu-central-1
network: {recovery_cidr: 10.21.0.0/16}
dns: {zone: shop.example}
clusters: {web: {balancer: {}}}
databases: {orders: {}, sessions: {engine: dynamodb, key: id}}
recovery:
  web: {region: {rto: 60m}}
"""


def a_fleet(drills: str = "[]") -> Fleet:
    return read_text(f"{TEXT}  drills: {drills}\n").fleet


def declared(kind: str, of: str) -> bool:
    try:
        a_fleet(f"[{{kind: {kind}, of: {of}}}]")
    except InputError as exc:
        assert all(fault.remedy for fault in exc.faults)
        return False
    return True


def runnable(kind: str, of: str) -> bool:
    try:
        drill.accept(kind, of, a_fleet())
        KINDS[kind].subjects(a_fleet(), of)
    except InputError as exc:
        assert exc.remedy
        return False
    return True


@pytest.mark.parametrize("of", ["web", "orders", "sessions", "shop", "nobody"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_declared_can_be_run_and_nothing_else(kind: str, of: str) -> None:
    assert declared(kind, of) == runnable(kind, of)
