"""``ops iam policy`` prints documents that can be pasted, from the program of the very stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quartermaster.cli.main import run
from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.permissions.stack import stack_policies

PRODUCTION = Path(__file__).parents[2] / "examples/production"


def test_a_fleet_without_tables_asks_for_no_right_on_tables(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n")
    found = stack_policies(load_fleet(tmp_path / "fleet.yaml"), "dev", "provision")
    text = "".join(policy.document for policy in found)
    assert "autoscaling:CreateAutoScalingGroup" in text
    assert "dynamodb:" not in text
    assert "rds:" not in text


def test_json_has_each_document_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["iam", "policy", "--for", "patch", "--fleet", str(PRODUCTION), "--stack", "prod", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["for"], found["stack"]) == ("patch", "prod")
    assert [item["name"] for item in found["documents"]] == ["shop-prod-ops-patch"]
    assert found["documents"][0]["policy"]["Version"] == "2012-10-17"
