"""Who holds a stack in a folder backend: the engine's lock files, and whether their processes live."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Holder", "holders"]


@dataclass(frozen=True, slots=True)
class Holder:
    """One lock on a stack."""

    file: Path
    pid: int
    host: str

    @property
    def here(self) -> bool:
        """Is it a process of this machine?"""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool:
        """Does the very engine process still run? Another process that got its pid is not it."""
        return self.here and _command(self.pid).startswith("pulumi")

    @property
    def parent(self) -> int:
        """Pid of its parent; 0 when it is gone."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return 0
        return int(text.rpartition(")")[2].split()[1])


def holders(state_file: Path | None) -> tuple[Holder, ...]:
    """The locks on the stack of this checkpoint file. Read-only."""
    if state_file is None:
        return ()
    root = state_file.parents[2]
    folder = root / "locks" / "organization" / state_file.parent.name / state_file.stem
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            lock = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # just released, or being written
        found.append(Holder(file, int(lock["pid"]), str(lock["hostname"])))
    return tuple(found)


def _command(pid: int) -> str:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
