"""The Python language host, with which plain ``pulumi`` runs a program: the official one, else a small one of ours.

An engine that was built here comes without one. Inline programs (`ops provision`) need none.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from quartermaster.fleet.files import replacing
from quartermaster.infra.setup import engine
from quartermaster.infra.setup.machine import Say, silent

__all__ = ["ensure", "find", "is_ours"]

_NAME = "pulumi-language-python"
_PROGRAM = Path(__file__).with_name("language_host.py")
_SCRIPT = """#!/bin/sh
# Written by `ops setup`. PULUMI_PYTHON_CMD is the official host's own word for the Python with the program's packages.
exec "${PULUMI_PYTHON_CMD:-python3}" -P "$(dirname "$(readlink -f "$0")")/language_host.py" "$@"
"""


def find() -> Path | None:
    """The host: an official one on PATH or beside the engine, else ours; None when there is none. Read-only."""
    return _official() or (_ours() if _is_current() else None)


def is_ours(host: Path) -> bool:
    """Is it the one that set-up wrote?"""
    return host == _ours()


def ensure(say: Say = silent) -> Path:
    """The host, written beside our engine where no other is found."""
    found = find()
    if found:
        return found
    say("writing a Python language host")
    folder = _ours().parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((_PROGRAM.name, _PROGRAM.read_bytes()), (_NAME, _SCRIPT.encode())):
        # Put into its place whole: an engine may start it meanwhile.
        with replacing(folder / name) as draft:
            draft.write_bytes(content)
            draft.chmod(0o755)
    return _ours()


def _ours() -> Path:
    return engine.home() / "bin" / _NAME


def _official() -> Path | None:
    on_path, program = shutil.which(_NAME), engine.find()
    near = [Path(on_path)] if on_path else []
    near += [program.resolve().parent / _NAME] if program else []
    return next((host for host in near if host.is_file() and host != _ours()), None)


def _is_current() -> bool:
    parts = ((_ours(), _SCRIPT.encode()), (_ours().with_name(_PROGRAM.name), _PROGRAM.read_bytes()))
    return all(path.is_file() and path.read_bytes() == content for path, content in parts)
