"""What kind of machine this is: its system, its rights, and how we call its tools. Pure reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = [
    "Say",
    "codename",
    "is_debian",
    "is_root",
    "os_release",
    "postgres_package",
    "postgres_programs",
    "silent",
    "tool_environment",
]

Say = Callable[[str], None]
"""Takes one line of progress for a person."""


def silent(line: str) -> None:
    """Say nothing."""


def os_release(file: Path = Path("/etc/os-release")) -> Mapping[str, str]:
    """The fields of os-release(5); empty where the file is missing."""
    if not file.is_file():
        return {}
    pairs = (line.split("=", 1) for line in file.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {name: value.strip().strip("\"'") for name, value in pairs}


def is_debian() -> bool:
    """Whether this is Debian itself; derivatives have other suites and package names."""
    return os_release().get("ID") == "debian"


def codename() -> str:
    """The release's code name, e.g. ``bookworm``; empty where there is none."""
    return os_release().get("VERSION_CODENAME", "")


def postgres_package(suite: str) -> str:
    """The package of a suite's PostgreSQL server; the one without a major where we know none."""
    major = {"bullseye": "13", "bookworm": "15", "trixie": "17"}.get(suite)
    return f"postgresql-{major}" if major else "postgresql"


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL server's programs, ``…/MAJOR/bin``; None without one."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda folder: folder.parent.name.zfill(4), default=None)


def is_root() -> bool:
    """Whether we may install and mount."""
    return os.geteuid() == 0


def tool_environment() -> dict[str, str]:
    """Our environment for system tools: messages in English, no questions, and the sbin folders a PATH may lack."""
    path = os.environ.get("PATH", "").split(os.pathsep)
    path += [folder for folder in ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin") if folder not in path]
    return {**os.environ, "PATH": os.pathsep.join(path), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
