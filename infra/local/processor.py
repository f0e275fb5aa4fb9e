"""How much of the processor each host has used: what Linux counts for the processes of its PID namespace.

Hosts share this machine's CPUs, but what one uses is its own: so its load is real, in percent of the vCPUs that its
instance type has.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

__all__ = ["seconds_by_namespace", "used_seconds"]

_TICKS = os.sysconf("SC_CLK_TCK")
_FIRST = 11
"""utime, stime, cutime and cstime of proc(5)'s stat, counted from after the name."""


def used_seconds(stat: str) -> float:
    """Of one process and its children that have ended, from the text of its ``/proc/PID/stat``. Pure."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[_FIRST : _FIRST + 4]) / _TICKS


def seconds_by_namespace() -> Mapping[str, float]:
    """PID namespace, as its link in /proc reads, to the seconds that its processes have used so far. Read-only."""
    found: dict[str, float] = defaultdict(float)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                space = str((folder / "ns" / "pid").readlink())
                found[space] += used_seconds((folder / "stat").read_text())
            except OSError:
                continue  # it has ended, or is not ours to look at
    return found
