"""Whether an upgrade left alone what roles manage, so that a converge would find nothing to do.

Runs on the host beside agent.py, standard library only. A role shows on a host as settings under /etc, as files of
packages that are no longer as packaged, and as their owners and modes: what of it is as it was before the upgrade,
after a converge of the same bundle, is as the roles left it.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["note", "unsettled"]

_ETC = "/etc"
_DERIVED = ("/etc/ld.so.cache", "/etc/mtab")
"""Made anew from what is installed; no role writes them."""
_LEFT_OUT = "/usr/share/"
"""Images leave documents, manuals and translations of packages out; what is missing there was never changed."""


def note(folder: str, changes: Iterable[Mapping[str, Any]]) -> None:
    """Write down in the run's folder what is there before the packages change. Changes that folder."""
    names = [change["name"] for change in changes if change["old"]]
    with open(f"{folder}/held.json", "w") as out:
        json.dump({"rewritten": rewritten(names), "paths": held(names)}, out)


def unsettled(folder: str, current: str) -> str:
    """Why the host must converge after its upgrade; empty when the roles would find all as they left it. Read-only.

    ``current`` is the link to the bundle that was last applied in full.
    """
    if not os.path.exists(f"{folder}/held.json"):
        return "nothing was noted before the upgrade"
    bundles, kept = (
        os.path.dirname(current),
        {os.path.realpath(current), os.path.realpath(f"{os.path.dirname(current)}/previous")},
    )
    if any(os.path.isdir(path) and os.path.realpath(path) not in kept for path in glob.glob(f"{bundles}/*")):
        return "another bundle was applied in part"
    if os.path.exists(f"{folder}/rollback.log") or os.path.exists(f"{folder}/reboot.json"):
        return "it was rolled back or rebooted"
    with open(f"{folder}/held.json") as file:
        before = json.load(file)
    if before["rewritten"]:
        return f"{before['rewritten']} of a package was not as packaged"
    path = moved(before["paths"])
    return f"{path} is not as it was" if path else ""


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
