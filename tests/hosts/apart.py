"""A driver of these tests in a process of its own, to be killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def apart(driver: str, *words: str | Path) -> subprocess.Popen[str]:
    """``python -m tests.hosts.DRIVER WORDS``, what it prints to be read."""
    command = [sys.executable, "-m", f"tests.hosts.{driver}", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
