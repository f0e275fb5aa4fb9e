"""Files that a command writes where the user says: refused at the door, before the work that would fill them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quartermaster.fleet.errors import InputError

__all__ = ["check_out", "write_out", "writing"]


def check_out(path: Path | None, option: str = "--out") -> None:
    """Raise InputError where no file can be written at ``path``; None is fine. Read-only."""
    if path is None:
        return
    with writing(path, option):
        try:
            there, folder = path, stat.S_ISDIR(path.stat().st_mode)
        except FileNotFoundError:
            there, folder = path.parent, False
    if folder:
        raise InputError(f"{option} {path} is a folder", remedy=f"name a file: {option} {path / 'NAME'}")
    if not there.exists():
        raise InputError(f"no folder {there} for {option}", remedy=f"create it, or choose another {option}")
    if not os.access(there, os.W_OK):
        raise InputError(f"{path} cannot be written: Permission denied", remedy=f"another {option}")


def write_out(path: Path, text: str, option: str = "--out") -> None:
    """Write the text. Raises InputError where the file cannot be written."""
    check_out(path, option)
    with writing(path, option):
        path.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: Path, option: str = "--out") -> Iterator[None]:
    """Turn what the system refuses within the block into an InputError that names ``path``."""
    try:
        yield
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}", remedy=f"another {option}") from exc
