"""The virtual environment ``.venv``: locked dependencies by hash, the project editable, its folders as one package.

A stamp in it holds what it was made from (lock, project file, Python, place), so a second run reads and stops.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.setup import cache, machine
from quartermaster.infra.setup.machine import Say, silent

__all__ = ["FOLDERS", "ensure", "is_checkout", "project", "ready"]

FOLDERS = ("cli", "fleet", "infra", "planner", "playbooks", "runbooks")
"""The source folders, imported as ``quartermaster.NAME``."""

_UV_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
}
"""pip's setting to uv's, with what stands between several values."""

_RECIPE = "1"
"""Raised when the steps below change what they make."""


def project() -> Path:
    """The project's folder: the one that holds ``infra`` (through the links of ``.venv/types`` or not)."""
    return Path(__file__).resolve().parents[2]


def is_checkout(home: Path) -> bool:
    """Whether ``home`` is a clone, with a lock to make an environment from; an installed wheel is not. Read-only."""
    return (home / "requirements.lock").is_file()


def ready(home: Path) -> bool:
    """Whether ``home/.venv`` is what the lock and the project file ask for. Read-only."""
    stamp = home / ".venv/quartermaster.stamp"
    return stamp.is_file() and stamp.read_text() == stamp_of(home) and (home / ".venv/bin/ops").is_file()


def stamp_of(home: Path, python: str = sys.version) -> str:
    """What a complete environment is stamped with: a digest of everything it was made from."""
    asked = tomllib.loads((home / "pyproject.toml").read_text())
    installed = [asked.get("project"), asked.get("build-system"), asked.get("tool", {}).get("setuptools")]
    lock = (home / "requirements.lock").read_text()
    made_from = [_RECIPE, str(home), _minor(python), FOLDERS, installed, lock]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _minor(version: str) -> str:
    return ".".join(version.split()[0].split(".")[:2])


def ensure(home: Path, say: Say = silent) -> Path:
    """``home/.venv``, made or brought up to date. Raises OpsError with the end of what a tool said."""
    folder = home / ".venv"
    with cache.locked(folder / ".setup.lock"):
        link_folders(home)
        if ready(home):
            return folder
        (folder / "quartermaster.stamp").unlink(missing_ok=True)
        _make(folder, say)
        uv = _bring_uv(home, say)
        say("installing the locked dependencies")
        python = str(folder / "bin/python")
        _run([str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", python, "requirements.lock"], home)
        say("installing the project")
        local = ["--quiet", "--no-deps", "--no-build-isolation", "--python", python, "--editable", "."]
        _run([str(uv), "pip", "install", *local], home)
        (folder / "quartermaster.stamp").write_text(stamp_of(home))
    return folder


def link_folders(home: Path) -> None:
    """Make ``.venv/types/quartermaster/NAME`` point at each source folder, for type checkers and before the install."""
    types = home / ".venv/types/quartermaster"
    types.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        link, target = types / name, Path("../../..", name)
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def _make(folder: Path, say: Say) -> None:
    """An environment of this Python; one of another version, or one that does not run, is made anew."""
    python = folder / "bin/python"
    if python.exists() and _says(python) == _minor(sys.version):
        return
    say(f"making the environment with Python {_minor(sys.version)}")
    for part in ("bin", "lib", "lib64", "include", "share", "pyvenv.cfg"):
        path = folder / part
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
    _run([_own_python(), "-m", "venv", str(folder)], folder.parent)


def _own_python() -> str:
    """This interpreter outside any environment, so that one environment is not made from another."""
    return getattr(sys, "_base_executable", "") or sys.executable


def _says(python: Path) -> str:
    code = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _bring_uv(home: Path, say: Say) -> Path:
    """uv of the locked version, in the environment: pip installs it by the lock's hashes."""
    uv = home / ".venv/bin/uv"
    block = locked_block((home / "requirements.lock").read_text(), "uv")
    if uv.is_file() and _says_version(uv) == block.split()[0].partition("==")[2]:
        return uv
    say("installing uv")
    wanted = home / ".venv/uv.lock.txt"
    wanted.write_text(block)
    python = str(home / ".venv/bin/python")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    try:
        _run([python, "-m", "pip", "install", *quiet, "--requirement", str(wanted)], home)
    finally:
        wanted.unlink()
    return uv


def _says_version(uv: Path) -> str:
    done = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.split()[1] if done.returncode == 0 else ""


def locked_block(lock: str, name: str) -> str:
    """The lines of the lock that pin ``name`` with its hashes. Raises OpsError when it is not locked."""
    match = re.search(rf"^{re.escape(name)}==\S+(?: \\\n +--hash=\S+)+", lock, re.MULTILINE)
    if match is None:
        raise OpsError(f"requirements.lock does not lock {name}", remedy="run `make lock` where .venv works")
    return match.group() + "\n"


def uv_settings(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What uv must be told so that it asks where this machine's pip asks: uv does not read pip's settings.

    ``pip_config`` is what ``pip config list`` prints; what the environment already tells uv stays.
    """
    found: dict[str, str] = {}
    for line in pip_config.splitlines():
        key, _, value = line.partition("=")
        name, joint = _UV_NAMES.get(key.rpartition(".")[2], ("", ""))
        if name and name not in environment:
            found[name] = joint.join(re.split(r"(?:\\n|\s)+", value.strip("'\"").strip()))
    return found


def _run(command: Sequence[str], folder: Path) -> None:
    environment = machine.tool_environment()
    environment.pop("PYTHONPATH", None)
    environment.pop("VIRTUAL_ENV", None)
    if Path(command[0]).name == "uv":
        pip = [str(folder / ".venv/bin/python"), "-m", "pip", "config", "list"]
        said = subprocess.run(pip, env=environment, capture_output=True, text=True, check=False).stdout
        environment |= uv_settings(said, environment)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).splitlines()[-15:])
        short = " ".join(Path(part).name if os.sep in part else part for part in command[:4])
        raise OpsError(
            f"{short} failed ({done.returncode}):\n{tail}",
            remedy="run `make setup` again; if it repeats, `make clean` first",
        )
