"""``ops lease`` on a stack whose state is in S3: the leases of everybody who works on it."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from quartermaster.cli.main import run
from quartermaster.fleet.leases_shared import SharedLeases

FLEET = """
fleet: shop
region: eu-west-1
stacks: {prod: {target: aws, account: "123456789012", state: "s3://shop-ops-state"}}
"""


def test_what_another_machine_holds_is_listed_and_can_be_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    of = ["--fleet", str(tmp_path), "--json"]
    with mock_aws():
        assert run(["lease", "list", *of]) == 2
        assert json.loads(capsys.readouterr().out)["remedy"] == "ops bootstrap"
        assert run(["bootstrap", "--yes", *of]) == 0
        theirs = SharedLeases(boto3.client("dynamodb", "eu-west-1"), "shop-ops-state", "shop")
        with theirs.hold(["prod/cluster/web"], run="patch-1"):
            capsys.readouterr()
            assert run(["lease", "list", *of]) == 0
            [row] = json.loads(capsys.readouterr().out)["leases"]
            assert (row["scope"], row["run"]) == ("prod/cluster/web", "patch-1")
            assert run(["lease", "break", "prod", "--reason", "laptop lost", "--yes", *of]) == 0
            assert json.loads(capsys.readouterr().out)["broken"] == ["prod/cluster/web"]
            assert theirs.held() == []
