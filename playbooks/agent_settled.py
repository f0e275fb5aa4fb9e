"""Whether an upgrade left alone what roles manage, so that a converge would find nothing to do.

Runs on the host beside agent.py, standard library only. A role shows on a host as settings under /etc, as files of
packages that are no longer as packaged, and as their owners and modes: what of it is as it was before the upgrade,
after a converge of the same bundle, is as the roles left it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable, Mapping

__all__ = ["held", "moved", "rewritten"]

_ETC = "/etc"
_DERIVED = ("/etc/ld.so.cache", "/etc/mtab")
"""Made anew from what is installed; no role writes them."""
_LEFT_OUT = "/usr/share/"
"""Images leave documents, manuals and translations of packages out; what is missing there was never changed."""


def held(names: Iterable[str]) -> dict[str, str]:
    """Path to state, of all under /etc and of the files of these packages. Read-only."""
    paths = [path for path in _told("dpkg", "--listfiles", *sorted(names)) if path.startswith("/")]
    for folder, below, files in os.walk(_ETC):
        paths += [os.path.join(folder, name) for name in (*below, *files)]
    return {path: _state(path) for path in paths if path not in _DERIVED}


def rewritten(names: Iterable[str]) -> str:
    """A file of these packages, outside /etc, that is not as packaged; empty when there is none. Read-only."""
    for line in _told("dpkg", "--verify", *sorted(names)):
        path = line[line.index("/") :] if "/" in line else ""
        if path and not path.startswith(f"{_ETC}/") and not (line.startswith("missing") and path.startswith(_LEFT_OUT)):
            return path
    return ""


def moved(before: Mapping[str, str]) -> str:
    """A path that was not left as it was; empty when all were. Read-only."""
    now = held(())
    later = {path: now.get(path) or _state(path) for path in before} | now
    return next((path for path in sorted(later) if later[path] != before.get(path)), "")


def _state(path: str) -> str:
    """Kind, mode and owners; under /etc the content too."""
    try:
        seen = os.lstat(path)
        content = ""
        if stat.S_ISLNK(seen.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(seen.st_mode) and path.startswith(f"{_ETC}/"):
            with open(path, "rb") as file:
                content = hashlib.sha1(file.read(), usedforsecurity=False).hexdigest()
    except OSError:
        return "gone"
    return f"{seen.st_mode:o} {seen.st_uid} {seen.st_gid} {content}"


def _told(*command: str) -> list[str]:
    """Lines that the command says, whatever its verdict; none when it is asked of no package."""
    if len(command) < 3:
        return []
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()
