"""The environment's stamp, links and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.infra.setup import venv

PROJECT = '[project]\nname = "x"\n[tool.ruff]\nline-length = 100\n'
UV = "uv==0.9.1 \\\n    --hash=sha256:11 \\\n    --hash=sha256:22\n"
LOCK = f"a==1 \\\n    --hash=sha256:00\n    # via x\n{UV}    # via x\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(LOCK)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/ops").touch()
    (tmp_path / ".venv/quartermaster.stamp").write_text(venv.stamp_of(tmp_path))
    return tmp_path


def test_a_stamped_environment_is_ready(home: Path) -> None:
    assert venv.ready(home)


def test_settings_of_tools_do_not_matter(home: Path) -> None:
    (home / "pyproject.toml").write_text(PROJECT.replace("100", "120"))
    assert venv.ready(home)


@pytest.mark.parametrize("change", ["lock", "project", "ops", "stamp"])
def test_it_is_not_ready_when_anything_it_was_made_from_changed(home: Path, change: str) -> None:
    if change == "lock":
        (home / "requirements.lock").write_text(LOCK.replace("0.9.1", "0.9.2"))
    elif change == "project":
        (home / "pyproject.toml").write_text(PROJECT.replace('"x"', '"y"'))
    else:
        (home / {"ops": ".venv/bin/ops", "stamp": ".venv/quartermaster.stamp"}[change]).unlink()
    assert not venv.ready(home)


def test_another_python_or_another_place_is_another_stamp(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = tmp_path_factory.mktemp("moved")
    for name in ("pyproject.toml", "requirements.lock"):
        (moved / name).write_text((home / name).read_text())
    stamps = {
        venv.stamp_of(home, "3.11.2 (main)"),
        venv.stamp_of(home, "3.12.0 (main)"),
        venv.stamp_of(moved, "3.11.2"),
    }
    assert len(stamps) == 3
    assert venv.stamp_of(home, "3.11.7 (other)") in stamps


def test_the_folders_are_linked_and_wrong_links_mended(home: Path) -> None:
    (home / "cli").mkdir()
    types = home / ".venv/types/quartermaster"
    types.mkdir(parents=True)
    (types / "cli").symlink_to("/nowhere")
    venv.link_folders(home)
    assert (types / "cli").resolve() == home / "cli"
    assert {link.name for link in types.iterdir()} == set(venv.FOLDERS)


def test_uv_is_taken_with_the_locks_hashes() -> None:
    assert venv.locked_block(LOCK, "uv") == UV


def test_what_is_not_locked_is_refused() -> None:
    with pytest.raises(OpsError, match="does not lock v"):
        venv.locked_block(LOCK, "v")


def test_a_tool_that_fails_is_told_with_what_it_said_last(home: Path) -> None:
    script = home / "python"
    script.write_text("#!/bin/sh\nseq 20 >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(OpsError) as told:
        venv._run([str(script), "-m", "pip", "install", "uv"], home)
    assert render(told.value) == (
        "error: python -m pip install failed (3):\n"
        + "".join(f"{number}\n" for number in range(6, 21))
        + "  remedy: run `make setup` again; if it repeats, `make clean` first\n"
    )


def test_uv_hears_where_pip_asks() -> None:
    said = "global.index-url='http://a.example/simple'\n:env:.find-links='/w /v'\nglobal.timeout='9'\n"
    assert venv.uv_settings(said, {}) == {"UV_DEFAULT_INDEX": "http://a.example/simple", "UV_FIND_LINKS": "/w,/v"}


def test_what_uv_was_told_already_stays() -> None:
    assert venv.uv_settings("global.index-url='http://a.example/simple'\n", {"UV_DEFAULT_INDEX": "b"}) == {}
