"""Soak runs go on where they stopped, end in time, and forget what passed when the code changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PIECES = """
import pathlib, time
import pytest

@pytest.mark.soak
@pytest.mark.parametrize("piece", range(3))
def test_piece(piece):
    assert piece != 0 or pathlib.Path("mended").exists()

@pytest.mark.soak
def test_that_waits():
    time.sleep(float(pathlib.Path("seconds").read_text()))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with four soak tests; the first fails, none takes long."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("mended\nseconds\n__pycache__\n.pytest_cache\n")
    (tmp_path / "test_pieces.py").write_text(PIECES)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = soak: full counts\n")
    (tmp_path / "seconds").write_text("0")
    return tmp_path


def soak(
    tree: Path, *more: str, seconds: float = 500, piece_seconds: float = 120, seed: str = ""
) -> tuple[int, list[str]]:
    """A run in that time, with ``more`` for pytest: its exit status, and what it said of itself."""
    here = str(Path(__file__).parent)
    script = f"import soak, sys, pytest; soak.SECONDS = {seconds}; soak.PIECE_SECONDS = {piece_seconds}; "
    script += f"sys.exit(pytest.main(['-q', '-p', 'soak', '-m', 'soak', *{more!r}]))"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": here, "OPS_SEED": seed, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    return ended.returncode, [line for line in ended.stdout.splitlines() if line.startswith("soak: ")]


def test_what_passed_is_left_out_until_nothing_is_left(tree: Path) -> None:
    assert soak(tree) == (1, ["soak: 0 of 4 passed before, 4 to go", "soak: 1 of 4 left: run it again to go on"])
    (tree / "mended").touch()
    assert soak(tree) == (0, ["soak: 3 of 4 passed before, 1 to go", "soak: all 4 passed"])
    assert soak(tree) == (0, ["soak: 4 of 4 passed before, 0 to go", "soak: all 4 passed"])


def test_other_code_and_another_seed_begin_anew(tree: Path) -> None:
    (tree / "mended").touch()
    assert soak(tree)[0] == 0
    assert soak(tree, seed="1")[1][0] == "soak: 0 of 4 passed before, 4 to go"
    (tree / "new.py").touch()
    assert soak(tree)[1][0] == "soak: 0 of 4 passed before, 4 to go"
    (tree / "new.py").unlink()
    assert soak(tree)[1][0] == "soak: 4 of 4 passed before, 0 to go"


def test_no_piece_begins_that_might_not_end_in_time(tree: Path) -> None:
    (tree / "mended").touch()
    again = "run it again to go on"
    assert soak(tree, seconds=100) == (75, ["soak: 0 of 4 passed before, 4 to go", f"soak: 3 of 4 left: {again}"])
    assert soak(tree, seconds=100) == (75, ["soak: 1 of 4 passed before, 3 to go", f"soak: 2 of 4 left: {again}"])


def test_what_failed_is_tried_after_what_nobody_has_tried(tree: Path) -> None:
    assert soak(tree, seconds=100)[0] == 1
    assert soak(tree, seconds=100) == (
        75,
        ["soak: 0 of 4 passed before, 4 to go", "soak: 3 of 4 left: run it again to go on"],
    )


def test_a_piece_that_takes_too_long_is_stopped_and_left(tree: Path) -> None:
    (tree / "mended").touch()
    (tree / "seconds").write_text("50")
    assert soak(tree, seconds=3, piece_seconds=0.1) == (
        75,
        ["soak: 0 of 4 passed before, 4 to go", "soak: 1 of 4 left: run it again to go on"],
    )


def test_where_nothing_may_be_kept_all_is_run_every_time(tree: Path) -> None:
    (tree / "mended").touch()
    assert soak(tree, "-p", "no:cacheprovider", seconds=100) == (0, [])
    assert not (tree / ".pytest_cache").exists()
