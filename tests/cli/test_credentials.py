"""Credentials of another account than the stack's, and expired ones, are refused before any read or write."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from quartermaster.cli.main import run

FLEET = """
fleet: shop
region: eu-west-1
clusters: {web: {}}
adopted: [{type: "aws:autoscaling/group:Group", name: web, id: old-web}]
databases: {orders: {engine: postgres}}
stacks: {prod: {target: aws, account: "999999999999", state: "s3://shop-ops-state"}}
"""
COMMANDS = (
    "provision preview", "provision up --yes", "provision destroy --yes", "provision drift", "provision refresh --yes",
    "provision outputs", "pulumi -- preview", "adopt --import --yes", "bootstrap --yes", "configure", "patch plan web",
    "patch run web --yes", "drill run instance_loss web --yes",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_asked_of_it_but_who_it_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    asked: list[str] = []
    monkeypatch.setattr(boto3.Session, "client", _listening(boto3.Session.client, asked))
    words = command.split()
    at = words.index("--") if "--" in words else len(words)
    with mock_aws():
        status = run([*words[:at], "--fleet", str(tmp_path), "--stack", "prod", *words[at:]])
    said = capsys.readouterr().err
    assert status == 2
    assert "999999999999" in said
    assert "123456789012" in said
    assert "AWS_PROFILE" in said
    assert asked == ["GetCallerIdentity"]


@pytest.mark.parametrize("command", ["provision up --yes", "provision drift", "patch run web --yes"])
def test_credentials_that_have_expired_are_said_to_be(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    asked: list[str] = []
    expired = {"Error": {"Code": "ExpiredToken", "Message": "The security token included in the request is expired"}}
    answer = SimpleNamespace(status_code=403), expired
    monkeypatch.setattr(boto3.Session, "client", _listening(boto3.Session.client, asked, answer))
    with mock_aws():
        assert run([*command.split(), "--fleet", str(tmp_path), "--stack", "prod"]) == 2
    said = capsys.readouterr().err
    assert "ExpiredToken" in said
    assert "aws sso login" in said
    assert asked == ["GetCallerIdentity"]


def _listening(make, asked: list[str], answer: object = None):  # type: ignore[no-untyped-def]
    """Clients that note each operation they are asked for, and answer themselves where they are given an answer."""

    def client(self, *arguments, **more):  # type: ignore[no-untyped-def]
        made = make(self, *arguments, **more)

        def note(model, **_):  # type: ignore[no-untyped-def]
            asked.append(model.name)
            return answer

        made.meta.events.register("before-call", note)
        return made

    return client
