"""Keys and secrets of local stacks are made once, whole, whoever else asks for them and whatever cuts that off."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet.workspace import Workspace
from quartermaster.infra import keys


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "fleet.yaml")


def test_all_who_ask_at_once_get_the_same_pair(workspace: Workspace) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: keys.public_key(workspace), range(4)))
    assert len(found) == 1
    assert keys.private_key(workspace).stat().st_mode & 0o777 == 0o600


def test_a_passphrase_that_was_cut_off_is_made_anew(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(keys.secrets, "token_urlsafe", _cut_off)
        keys.passphrase_file(workspace)
    path = keys.passphrase_file(workspace)
    assert len(path.read_text(encoding="utf-8")) == 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.passphrase_file(workspace).read_bytes() == path.read_bytes()


def test_a_pair_that_was_cut_off_is_made_anew(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(subprocess, "run", _half_made)
        keys.private_key(workspace)
    assert keys.public_key(workspace).startswith("ssh-ed25519 ")


def _cut_off(*_: Any) -> str:
    raise KeyboardInterrupt


def _half_made(command: list[str], **_: Any) -> None:
    Path(command[-1]).write_text("half", encoding="utf-8")
    raise KeyboardInterrupt
