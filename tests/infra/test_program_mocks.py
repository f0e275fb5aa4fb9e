"""The program of every example and stack under Pulumi's mocks: also of those on aws, which no test here can make."""

from __future__ import annotations

from pathlib import Path

import pytest
from mocked import Declared, declared_in
from program_checks import faults

from quartermaster.fleet.names import TAG_URN
from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.permissions.declared import declared_types
from quartermaster.infra.permissions.rights import load_rights

_ROOT = Path(__file__).parents[2]
FILES = [
    *sorted((_ROOT / "examples").rglob("fleet.yaml")),
    _ROOT / "fleet/schema/example.yaml",
    _ROOT / "tests/acceptance/fleet.yaml",
]
STACKS = [(path, stack) for path in FILES for stack in load_fleet(path).stacks]


@pytest.mark.parametrize(("path", "stack"), STACKS, ids=lambda value: getattr(value, "parent", Path(str(value))).name)
def test_the_program_declares_what_aws_takes(path: Path, stack: str) -> None:
    found = declared_in(path, stack)
    assert len(found) > 40
    assert faults(load_fleet(path), stack, found) == []


@pytest.mark.parametrize(("path", "stack"), STACKS, ids=lambda value: getattr(value, "parent", Path(str(value))).name)
def test_every_type_that_is_declared_has_its_rights_listed(path: Path, stack: str) -> None:
    types = {one.type for one in declared_in(path, stack) if one.custom}
    assert "aws:autoscaling/group:Group" in types
    assert types - load_rights().keys() == set()


def test_the_types_that_rights_are_asked_for_are_those_declared() -> None:
    path = _ROOT / "examples/production/fleet.yaml"
    types = {one.type for one in declared_in(path, "prod") if one.custom}
    assert declared_types(load_fleet(path), "prod") == types


def test_a_protected_stack_protects_what_holds_data() -> None:
    path = _ROOT / "examples/production/fleet.yaml"
    for name, stack in load_fleet(path).stacks.items():
        guarded = {one.type for one in declared_in(path, name) if one.protect}
        assert ({"aws:rds/instance:Instance", "aws:dynamodb/table:Table", "aws:backup/vault:Vault"} <= guarded) is (
            stack.protect
        )


@pytest.mark.parametrize(("path", "stack"), STACKS[:2])
def test_no_security_group_opens_the_port_of_ssh(path: Path, stack: str) -> None:
    """Sessions over SSM come from the host outwards."""
    rules = [one.inputs for one in declared_in(path, stack) if one.type.endswith("SecurityGroupIngressRule")]
    assert rules
    assert not [rule for rule in rules if int(rule["fromPort"]) <= 22 <= int(rule["toPort"])]


def test_what_is_wrong_with_a_program_is_found() -> None:
    fleet = load_fleet(FILES[0])
    role, name = "aws:iam/role:Role", "r" * 65
    lone = Declared("urn:v", "aws:ec2/vpc:Vpc", "vpc", "", True, {"cidrBlock": "10.0.0.0/16"}, False)
    one = Declared("urn:r", role, "r", "urn:r", True, {"name": name, "tags": {TAG_URN: "x"}}, False)
    other = Declared("urn:o", role, "o", "urn:o", True, {"name": name, "region": "x"}, False)
    strange = Declared("urn:e", "aws:eks/cluster:Cluster", "e", "urn:e", True, {}, False)
    said = "\n".join(faults(fleet, next(iter(fleet.stacks)), [lone, one, other, one, strange]))
    for part in (
        "urn:v has no component",
        "urn:r is not tagged ops:urn=urn:r",
        f"urn:o: name: AWS refuses name '{name}'",
        "2 times urn:r",
        "3 of ('aws:iam/role:Role', ''",
        "no aws:eks/cluster:Cluster",
    ):
        assert part in said
