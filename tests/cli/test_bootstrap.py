"""``ops bootstrap`` says what to put into fleet.yaml, and a second time that there is nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from moto import mock_aws

from quartermaster.cli.main import run

FLEET = """
fleet: shop
region: eu-west-1
stacks: {prod: {target: aws, account: "123456789012"}}
"""


def test_it_makes_names_and_then_leaves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    said = []
    with mock_aws():
        for _ in range(2):
            assert run(["bootstrap", "--fleet", str(tmp_path), "--yes"]) == 0
            said.append(capsys.readouterr().out)
    assert "made 8" in said[0]
    assert "state: s3://shop-ops-state-123456789012" in said[0]
    assert "nothing was changed" in said[1]
