"""``ops local fail``: what is cut is named as the fleet names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.infra.local import client

FLEET = """
fleet: shop
stacks: {dev: {target: local}}
databases: {orders: {engine: postgres}}
"""


@pytest.mark.parametrize(("named", "instance"), [("orders", "shop-dev-orders"), ("shop-dev-books", "shop-dev-books")])
def test_a_database_goes_by_the_fleets_name_or_by_rds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: str, instance: str
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    cut: list[str] = []
    monkeypatch.setattr(client, "kill_database", lambda _, name: cut.append(name))
    assert run(["local", "fail", "database", named, "--fleet", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"database": named, "state": "killed"}
    assert cut == [instance]


def test_what_cannot_be_cut_is_refused_with_what_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    assert run(["local", "fail", "table", "orders", "--fleet", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["remedy"] == "zone NAME, host ID or database NAME"
