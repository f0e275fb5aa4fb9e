"""``ops iam policy`` prints documents that can be pasted, from the program of the very stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mocked import declared_in

from quartermaster.cli.main import run
from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.permissions.declared import declared_types
from quartermaster.infra.permissions.rights import load_rights
from quartermaster.infra.permissions.stack import stack_policies

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/fleet.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_type_that_the_program_declares_has_its_rights_listed(path: Path) -> None:
    for stack in load_fleet(path).stacks:
        types = {one.type for one in declared_in(path, stack) if one.custom}
        assert "aws:autoscaling/group:Group" in types
        assert types - load_rights().keys() == set()


def test_the_types_are_those_that_the_program_declares() -> None:
    path = next(path for path in EXAMPLES if path.parent.name == "production")
    types = {one.type for one in declared_in(path, "prod") if one.custom}
    assert declared_types(load_fleet(path), "prod") == types


def test_a_fleet_without_tables_asks_for_no_right_on_tables(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n")
    found = stack_policies(load_fleet(tmp_path / "fleet.yaml"), "dev", "provision")
    text = "".join(policy.document for policy in found)
    assert "autoscaling:CreateAutoScalingGroup" in text
    assert "dynamodb:" not in text
    assert "rds:" not in text


def test_json_has_each_document_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    production = next(str(path) for path in EXAMPLES if path.parent.name == "production")
    assert run(["iam", "policy", "--for", "patch", "--fleet", production, "--stack", "prod", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["for"], found["stack"]) == ("patch", "prod")
    assert [item["name"] for item in found["documents"]] == ["shop-prod-ops-patch"]
    assert found["documents"][0]["policy"]["Version"] == "2012-10-17"
