"""The ledger: everything that the local cloud makes outside its own process, written down before it is made.

One line of JSON an entry. After ``kill -9`` of the daemon ``sweep`` finds and removes all of it. Mounts need no
entry: they live in the hosts' own mount namespaces and vanish with their processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "Ledger", "mounted", "sweep"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing outside the process."""

    kind: str
    """``run`` (the short id that all names carry), ``netns``, ``link``, ``mount`` or ``folder``."""
    name: str


class Ledger:
    """Append-only file of entries, synced to disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: str, name: str) -> None:
        """Write down what is about to be made."""
        self._append({"kind": kind, "name": name})

    def remove(self, kind: str, name: str) -> None:
        """Write down that it is gone."""
        self._append({"kind": kind, "name": name, "gone": True})

    def entries(self) -> list[Entry]:
        """What may exist, oldest first. A torn last line (killed while writing) names nothing that was made."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        present: dict[Entry, None] = {}
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            entry = Entry(record["kind"], record["name"])
            if record.get("gone"):
                present.pop(entry, None)
            else:
                present[entry] = None
        return list(present)

    def forget(self) -> None:
        """Remove the file; call when everything in it is gone."""
        self._path.unlink(missing_ok=True)

    def _append(self, record: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())


def sweep(entries: Iterable[Entry]) -> list[str]:
    """Remove everything the entries name; returns a line for each thing removed. Idempotent.

    Processes are found by the namespaces they live in, so a fork that nobody wrote down is found too.
    """
    listed = list(entries)
    done: list[str] = []
    spaces = [entry.name for entry in listed if entry.kind == "netns"]
    for name in spaces:
        killed = _kill_inside(name)
        if killed:
            done.append(f"{killed} processes in {name}")
    for name in spaces:
        if Path("/run/netns", name).exists() and _ip("netns", "delete", name):
            done.append(f"namespace {name}")
    for entry in listed:
        if entry.kind == "link" and Path("/sys/class/net", entry.name).exists() and _ip("link", "delete", entry.name):
            done.append(f"interface {entry.name}")
    for entry in listed:
        if entry.kind == "mount" and _unmount_empty(Path(entry.name)):
            done.append(f"mount {entry.name}")
    for entry in listed:
        if entry.kind == "folder" and _remove_tree(Path(entry.name)):
            done.append(f"folder {entry.name}")
    return done


def mounted(folder: Path) -> bool:
    """Whether something is mounted there; unlike ``Path.is_mount`` it sees a bind mount within one file system."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return any(line.split()[4] == str(folder) for line in lines)


def _kill_inside(netns: str) -> int:
    killed: set[int] = set()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        pids = _pids_inside(netns)
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.add(pid)
        time.sleep(0.02)
    return len(killed)


def _pids_inside(netns: str) -> list[int]:
    if not Path("/run/netns", netns).exists():
        return []
    answer = subprocess.run(["ip", "netns", "pids", netns], capture_output=True, text=True, check=False)
    return [int(word) for word in answer.stdout.split() if int(word) != os.getpid()]


def _ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


def _unmount_empty(folder: Path) -> bool:
    """`ip netns add` binds /run/netns onto itself at its first use and leaves it so; we take that back.

    Without force: where another cloud has a namespace there the kernel refuses, and that is right.
    """
    if not mounted(folder) or any(folder.iterdir()):
        return False
    return subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0


def _remove_tree(folder: Path) -> bool:
    if not folder.exists():
        return False
    # rm, not shutil: overlay work folders are 000 inside and rm as root does not care about the order.
    return subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False).returncode == 0
