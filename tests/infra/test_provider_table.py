"""The local cloud's provider refuses by name what it does not know and what AWS would not take."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi.provider.experimental.provider as rpc
import pytest
from ruamel.yaml import YAML

from quartermaster.infra.local.provider.engine import TableProvider, compare
from quartermaster.infra.local.provider.kind import duplicate_free
from quartermaster.infra.local.provider.table import TABLE
from quartermaster.infra.local.provider.values import UNKNOWN, project, wrapped_map
from quartermaster.infra.lookup import HARMLESS, LOOKUPS

FACTS = YAML(typ="safe").load(Path(__file__).parents[1] / "aws_facts.yaml")


def refused(type_: str, inputs: dict[str, Any]) -> dict[str, str]:
    """Property to reason, as the engine would hear it."""
    with ThreadPoolExecutor(1) as executor:
        provider = TableProvider(TABLE, lambda *_: None, region="eu-west-1", account="1", executor=executor)
        request = rpc.CheckRequest(f"urn:pulumi:dev::shop::ops:infra:X${type_}::it", {}, wrapped_map(inputs), b"")
        answer = asyncio.run(provider.check(request))
    return {failure.property: failure.reason for failure in answer.failures or []}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact['type'].rsplit(':')[-1]}.{fact['refused']}")
def test_what_aws_refuses_is_refused(fact: dict[str, Any]) -> None:
    assert list(refused(fact["type"], fact["inputs"])) == [fact["refused"]]
    assert fact["source"].startswith("https://")


def test_there_are_forty_facts_each_said_once() -> None:
    said = [(fact["type"], fact["refused"], repr(fact["inputs"])) for fact in FACTS]
    assert len(set(said)) == len(said) >= 40


def test_an_unknown_type_is_refused_by_name() -> None:
    assert "aws:eks/cluster:Cluster" in refused("aws:eks/cluster:Cluster", {})[""]


def test_an_unknown_input_is_refused_by_name() -> None:
    reason = refused("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "ipv4IpamPoolId": "p"})["ipv4IpamPoolId"]
    assert "'ipv4IpamPoolId'" in reason
    assert "cidrBlock" in reason


def test_a_missing_input_is_named_and_an_unknown_value_is_not_judged() -> None:
    assert list(refused("aws:ec2/vpc:Vpc", {})) == ["cidrBlock"]
    assert refused("aws:s3/bucket:Bucket", {"bucket": UNKNOWN}) == {}


def test_a_type_stands_once_in_the_table() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        duplicate_free([TABLE["aws:ec2/vpc:Vpc"], TABLE["aws:ec2/vpc:Vpc"]])


def test_every_type_can_be_looked_up_after_an_interruption() -> None:
    assert TABLE.keys() - LOOKUPS.keys() - HARMLESS == set()


def test_only_fixed_inputs_replace() -> None:
    vpc = TABLE["aws:ec2/vpc:Vpc"]
    old = {"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}}
    assert compare(vpc, old, {**old, "tags": {}}) == {"tags": False}
    assert compare(vpc, old, {**old, "cidrBlock": "10.1.0.0/16"}) == {"cidrBlock": True}
    assert compare(vpc, old, dict(old)) == {}


@pytest.mark.parametrize(
    ("given", "found", "seen"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1}),
        (["x", "y"], ["y", "x"], ["x", "y"]),
        (["x", "y"], ["x", "z"], ["x", "z"]),
        ([{"a": 1}], [{"a": 2, "b": 3}], [{"a": 2}]),
        ("true", True, "true"),
        (30, "30", 30),
    ],
)
def test_what_aws_adds_is_no_drift_but_a_change_is(given: Any, found: Any, seen: Any) -> None:
    assert project(given, found) == seen
