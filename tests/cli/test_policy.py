"""``ops policy list`` and ``ops prices update`` where there is nothing to ask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.fleet.policies import load_policies


def test_the_list_has_every_rule_with_reason_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "list", "--json"]) == 0
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert [rule["id"] for rule in rules] == list(load_policies())
    assert all(rule["reason"].endswith(".") and rule["remedy"] and rule["severity"] for rule in rules)


def test_the_local_cloud_has_no_price_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\n")
    assert run(["prices", "update", "--fleet", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "the local cloud has no price list" in told
    assert "--stack" in told


def test_validate_tells_of_ended_waivers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiver = "{rule: imdsv2, reason: an old agent, until: 2020-01-01}"
    (tmp_path / "fleet.yaml").write_text(f"fleet: shop\nwaivers: [{waiver}]\n")
    assert run(["validate", "--fleet", str(tmp_path), "--json"]) == 0
    [warning] = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["where"] == "waivers[0].until"


def test_validate_tells_of_roles_that_there_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters:\n  api: {}\n  web: {}\n")
    assert run(["validate", "--fleet", str(tmp_path), "--json"]) == 0
    [warning] = json.loads(capsys.readouterr().out)["warnings"]
    assert (warning["where"], warning["line"]) == ("clusters.api.role", 3)
    assert "web" in warning["remedy"]


def test_a_role_that_there_is_not_refuses_up_before_a_run_or_a_cloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters:\n  api: {}\n")
    assert run(["provision", "up", "--fleet", str(tmp_path), "--yes"]) == 2
    assert f"{tmp_path}/fleet.yaml:3 clusters.api.role" in capsys.readouterr().err
    assert not (tmp_path / ".ops" / "local").exists()
    assert run(["history", "--fleet", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []
