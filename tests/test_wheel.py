"""The package as users get it: all that it needs at run time is in the wheel, and it works away from this tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("cli", "examples", "fleet", "infra", "planner", "playbooks", "runbooks")
pytestmark = pytest.mark.slow
LEFT_OUT = "engine or hosts or browser or prometheus or haproxy or postgres or slow or soak"
LOWEST = (
    *(f"tests/fleet/test_{name}.py" for name in ("schema", "store", "journal")),
    *(f"tests/cli/test_{name}.py" for name in ("bad_day", "serve", "iam", "drill_export", "metrics")),
    *(f"tests/planner/test_{name}.py" for name in ("plan", "ical")),
)
"""Of each library that is asked for, tests that use it."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git holds, so that nothing that merely lies about here gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    _uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder), str(source))
    (made,) = folder.glob("*.whl")
    return made


def test_every_file_that_the_code_reads_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", *FOLDERS], cwd=ROOT, capture_output=True, check=True).stdout
    there = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {
            name.removeprefix("quartermaster/") for name in archive.namelist() if name.startswith("quartermaster/")
        }
    assert there - packed == set()
    assert packed - there == set()


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param(("-c", str(ROOT / "requirements.lock")), id="locked"),
        pytest.param(("--resolution", "lowest-direct"), id="lowest", marks=pytest.mark.soak),
        pytest.param(("--upgrade",), id="newest", marks=pytest.mark.soak),
    ],
)
def test_it_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path, versions: tuple[str, ...]) -> None:
    _uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    python = tmp_path / "venv/bin/python"
    _uv("pip", "install", "--quiet", "--python", str(python), *versions, str(wheel))
    # No network: an import that fetches something fails here.
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "http_proxy": "http://127.0.0.1:9", "NO_COLOR": "1"}

    def ops(*arguments: str) -> str:
        command = [str(tmp_path / "venv/bin/ops"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert ops("--version").startswith("ops ")
    ops("init", ".")
    assert "is valid" in ops("validate") or ops("validate", "--json")
    assert json.loads(ops("policy", "list", "--json"))["rules"]
    assert "instance_loss" in json.loads(ops("runbook", "list", "--json"))["runbooks"]
    assert json.loads(ops("status", "--json"))["clusters"]
    # It is for the shell that it is called from.
    shell = ["bash", "-c", f"{tmp_path / 'venv/bin/ops'} --show-completion; true"]
    assert "_OPS_COMPLETE" in subprocess.run(shell, env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def newest(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with the newest of each library that is allowed today, and the tree in it."""
    folder = tmp_path_factory.mktemp("newest")
    python, source = str(folder / "venv/bin/python"), wheel.parent / "source"
    _uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    _uv("pip", "install", "--quiet", "--upgrade", "--python", python, "--editable", f"{source}[dev]")
    subprocess.run(["make", "folders"], cwd=source, check=True)
    return python


@pytest.mark.soak
@pytest.mark.parametrize("folder", ["cli", "fleet", "infra", "local", "planner", "playbooks", "runbooks", "setup"])
def test_fast_tests_pass_with_the_newest_versions_that_are_allowed(wheel: Path, newest: str, folder: str) -> None:
    _passes(newest, wheel, f"tests/{folder}")


@pytest.mark.soak
def test_tests_pass_with_the_lowest_versions_that_are_asked_for(wheel: Path, tmp_path: Path) -> None:
    _uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    python = str(tmp_path / "venv/bin/python")
    _uv("pip", "install", "--quiet", "--python", python, "--resolution", "lowest-direct", str(wheel))
    _uv("pip", "install", "--quiet", "--python", python, "pytest", "hypothesis", "ics")
    _passes(python, wheel, *LOWEST)


def _passes(python: str, wheel: Path, *tests: str) -> None:
    """Run fast tests, as they stood when the wheel was made: the tree may move meanwhile."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", f"not ({LEFT_OUT})", *tests]
    done = subprocess.run(command, cwd=wheel.parent / "source", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
