"""The Python language host: an official one is used, else ours is written beside the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.infra.setup import engine, language


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_ours_is_written_beside_the_engine_and_only_once() -> None:
    assert language.find() is None
    host = language.ensure()
    assert host.parent == engine.home() / "bin"
    assert language.find() == host
    assert language.is_ours(host)
    assert (host.parent / "language_host.py").is_file()


def test_an_official_one_is_left_alone(tmp_path: Path) -> None:
    official = program(tmp_path / "bin/pulumi-language-python")
    assert language.ensure() == official
    assert not language.is_ours(official)
    assert not engine.home().exists()


def test_one_beside_an_engine_on_path_is_found(tmp_path: Path) -> None:
    home = tmp_path / "opt/pulumi"
    pulumi = program(home / "pulumi", f"#!/bin/sh\necho v{engine.VERSION}\n")
    official = program(home / "pulumi-language-python")
    (tmp_path / "bin/pulumi").symlink_to(pulumi)
    assert language.find() == official


def test_one_that_an_older_ops_wrote_is_written_anew() -> None:
    host = language.ensure()
    (host.parent / "language_host.py").write_text("# as it was\n")
    assert language.find() is None
    assert language.ensure() == host
    assert language.find() == host
