"""Credentials of another account than the stack's are refused before any read or write, by every command."""

from __future__ import annotations

from pathlib import Path

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


def _listening(make, asked: list[str]):  # type: ignore[no-untyped-def]
    """Clients that note each operation they are asked for."""

    def client(self, *arguments, **more):  # type: ignore[no-untyped-def]
        made = make(self, *arguments, **more)
        made.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
        return made

    return client
