"""Install packages without starting a service or making a database cluster, and leave no trace of having asked so.

invoke-rc.d(8) asks ``/usr/sbin/policy-rc.d`` before it starts a service; PostgreSQL's packages read
``createcluster.d`` before they make a cluster. Both files are put there for the time of one installation.
A file of someone else's in the way is set aside and put back. After a kill the next run, or ``restore``, does so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["quiet_services", "restore", "stale"]

_MARK = "# Put here by quartermaster's set-up for the time of one installation."
_SET_ASIDE = ".before-quartermaster"
_FILES = {
    "usr/sbin/policy-rc.d": f"#!/bin/sh\n{_MARK}\nexit 101\n",
    "etc/postgresql-common/createcluster.d/quartermaster.conf": f"{_MARK}\ncreate_main_cluster = false\n",
}


@contextmanager
def quiet_services(system: Path = Path("/")) -> Iterator[None]:
    """While it is open, packages start no service and make no cluster. The caller holds the lock of installations."""
    restore(system)
    made: list[Path] = []
    try:
        for name, text in _FILES.items():
            path = system / name
            made += _make_folders(path.parent)
            if path.exists():
                path.rename(path.with_name(path.name + _SET_ASIDE))
            path.write_text(text)
            path.chmod(0o755)
        yield
    finally:
        restore(system)
        for folder in reversed(made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _make_folders(folder: Path) -> list[Path]:
    """Make ``folder`` with its parents; returns those that were missing, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def stale(system: Path = Path("/")) -> list[Path]:
    """Files of ours that are there now: a killed installation left them, unless one is under way. Read-only."""
    left = [system / name for name in _FILES]
    return [path for path in left if _is_ours(path) or _aside(path).exists()]


def restore(system: Path = Path("/")) -> None:
    """Remove what is ours and put back what was set aside; without either it changes nothing."""
    for path in stale(system):
        if _is_ours(path):
            path.unlink()
        if _aside(path).exists():
            _aside(path).rename(path)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + _SET_ASIDE)


def _is_ours(path: Path) -> bool:
    return path.is_file() and _MARK in path.read_text(errors="replace")
