"""Where this user's prepared parts are kept, and how one is put there by a single hand.

    $XDG_CACHE_HOME/quartermaster (else ~/.cache/quartermaster)
    ├── engine/VERSION/bin/pulumi    engine.py
    └── base/SUITE-HASH/             basetree.py

A part is built in a hidden folder beside its place and renamed into it, so what exists is complete.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_locked", "locked", "remove", "root", "workbench"]

_BENCH = ".build-"


def root() -> Path:
    """The cache folder of this user; it need not exist. A relative XDG_CACHE_HOME is ignored, as its spec asks."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(chosen) if chosen.startswith("/") else Path.home() / ".cache"
    return base / "quartermaster"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` (made when missing), waiting for whoever has it. The kernel frees it on death."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock file ``path`` now."""
    if not path.is_file():
        return False
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def workbench(beside: Path) -> Iterator[Path]:
    """A fresh folder next to ``beside``, removed on the way out. Call under the lock: what a kill left goes first."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    for stale in beside.parent.glob(f"{_BENCH}*"):
        remove(stale)
    bench = Path(tempfile.mkdtemp(prefix=_BENCH, dir=beside.parent))
    try:
        yield bench
    finally:
        remove(bench)


def remove(path: Path) -> None:
    """Remove a tree, read-only folders included (Go's module cache has them)."""
    if not path.exists():
        return
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)
