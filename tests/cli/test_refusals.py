"""What a user reads who asks for what cannot be: each error whole, as ``refused.txt`` has it.

A block there is the command typed, ``# 1`` where it exits with another status than 2, and what stderr says. It is
typed in a folder with the files of ``refused/``. To refresh: write what the test compares into the file, and read it.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from quartermaster.cli import rehearsal
from quartermaster.cli.main import run
from quartermaster.fleet.errors import MissingPart
from quartermaster.infra.local import client

HERE = Path(__file__).parent
BLOCK = re.compile(r"^\$ ops (?P<typed>.*?)(?:  # (?P<status>\d))?\n(?P<told>(?:(?!\$ ).*\n)+)", re.M)
REFUSED = {
    found["typed"]: (int(found["status"] or 2), found["told"].rstrip("\n") + "\n")
    for found in BLOCK.finditer((HERE / "refused.txt").read_text(encoding="utf-8"))
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what commands are given."""
    return shutil.copytree(HERE / "refused", tmp_path_factory.mktemp("refused"), dirs_exist_ok=True)


@pytest.mark.parametrize("typed", REFUSED)
def test_it_is_refused_in_these_words(
    typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begun(*_: object) -> None:
        raise MissingPart("the local cloud was begun")

    monkeypatch.chdir(folder)
    monkeypatch.setattr(client, "ensure_running", begun)
    monkeypatch.setattr(rehearsal, "called", begun)
    status = run([*shlex.split(typed), "--yes"])
    told = capsys.readouterr().err.replace(f"{folder}/", "")
    assert (status, told[told.find("error: ") :]) == REFUSED[typed]
