"""Processes of this host, told apart though pids are used again."""

from __future__ import annotations

from pathlib import Path

__all__ = ["process_alive", "process_started"]


def process_started(pid: int) -> str:
    """When the process started, in clock ticks since boot, as the kernel says; empty when it is gone.

    With the pid it names one process: pids are used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rsplit(")", 1)[1].split()
    return "" if fields[0] in "ZX" else fields[19]


def process_alive(pid: int, started: str) -> bool:
    """Whether that very process still runs on this host."""
    return bool(started) and process_started(pid) == started
