"""What this machine has of what Quartermaster needs, with the remedy for what it lacks. Pure reads, under a second."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quartermaster.infra.setup import basetree, cache, engine, language, machine, packages, quiet_services, venv

__all__ = ["Check", "State", "checks"]

State = Literal["found", "missing", "unsuitable"]

_SETUP = "run `ops setup` (or `make setup`)"
_SYS_ADMIN = 1 << 21
"""CAP_SYS_ADMIN in a capability mask (linux/capability.h)."""
_FREE_GIB = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One part of this machine."""

    part: str
    state: State
    detail: str
    """Version and path of what is found; else what was looked for."""
    remedy: str = ""
    """What to do; empty when there is nothing to do."""


def checks() -> list[Check]:
    """Every part, in the order in which set-up brings them; programs are asked for their versions side by side."""
    with ThreadPoolExecutor() as pool:
        return [check for found in pool.map(lambda look: look(), _LOOKS) for check in found]


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", "found", f"{version} at {sys.executable}")


def _environment() -> Check:
    home = venv.project()
    folder = home / ".venv"
    if not venv.is_checkout(home):
        return Check("environment", "found", f"installed in {sys.prefix}, without a lock of ours")
    if venv.ready(home):
        return Check("environment", "found", f"{folder}, as locked")
    if (folder / "bin/python").is_file():
        return Check(
            "environment", "unsuitable", f"{folder} is not what requirements.lock asks for", "run `make setup`"
        )
    return Check("environment", "missing", str(folder), "run `make setup`")


def _engine() -> Check:
    found = engine.find()
    if found is None:
        wanted = f"pulumi {engine.VERSION} or newer on PATH or in {engine.home()}"
        return Check("pulumi engine", "missing", wanted, f"{_SETUP}, or put pulumi on PATH")
    version = engine.VERSION if found.is_relative_to(engine.home()) else engine.version_of(found)
    return Check("pulumi engine", "found", f"{version} at {found}")


def _language_host() -> Check:
    found = language.find()
    if found is None:
        return Check("language host", "missing", "only plain pulumi needs it (`ops pulumi`)", _SETUP)
    return Check("language host", "found", f"{'ours' if language.is_ours(found) else 'official'} at {found}")


def _go() -> Check:
    if engine.find() is not None:
        return Check("go", "found", "not needed: the engine is there")
    go = engine.find_go()
    why_not = engine.obstacle(engine.go_version(go) if go else "", shutil.disk_usage(_existing(cache.root())).free)
    if go and not why_not:
        return Check("go", "found", f"{engine.go_version(go)} at {go}")
    return Check("go", "unsuitable" if go else "missing", why_not, engine.REMEDY)


def _base_tree() -> Check:
    tree = basetree.path()
    if tree.is_dir():
        built = basetree.manifest(tree).get("built_at", "")
        return Check("base tree", "found", f"{tree}, built {built}")
    why_not = basetree.obstacle()
    if why_not:
        return Check(
            "base tree", "missing", why_not, "hosts of the local cloud need root on Debian; its API part works"
        )
    return Check("base tree", "missing", str(tree), _SETUP)


def _program(part: str, program: str, ask: Sequence[str], pattern: str, *, remedy: str = _SETUP) -> Check:
    path = shutil.which(program, path=machine.tool_environment()["PATH"])
    if path is None:
        return Check(part, "missing", f"{program} is not on PATH", remedy)
    return Check(part, "found", f"{_said(path, ask, pattern)} at {path}".removeprefix(" at "))


def _said(program: str, ask: Sequence[str], pattern: str) -> str:
    if not ask:
        return ""
    command, environment = [program, *ask], machine.tool_environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)
    match = re.search(pattern, done.stdout + done.stderr)
    return match[1] if match else "version unknown"


def _postgres() -> Check:
    folder = machine.postgres_programs()
    if folder is None:
        return Check("postgresql", "missing", "no /usr/lib/postgresql/*/bin/initdb", _SETUP)
    return Check("postgresql", "found", f"{folder.parent.name} at {folder}")


def root(user: int, status: Path) -> Check:
    """Whether hosts can be made: root with the capability to mount and to make namespaces (a container may lack it)."""
    if user != 0:
        return Check("root", "missing", f"user {user}", "hosts of the local cloud need root; everything else works")
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", status.read_text() if status.is_file() else "", re.MULTILINE)
    if match and int(match[1], 16) & _SYS_ADMIN:
        return Check("root", "found", "with CAP_SYS_ADMIN")
    return Check("root", "unsuitable", "without CAP_SYS_ADMIN", "start this container with --privileged")


def overlay(filesystems: Path) -> Check:
    """Whether the kernel has overlayfs, loaded or as a module."""
    if filesystems.is_file() and re.search(r"\boverlay$", filesystems.read_text(), re.MULTILINE):
        return Check("overlayfs", "found", "in the kernel")
    if any(Path("/lib/modules", os.uname().release, "kernel/fs/overlayfs").glob("overlay.ko*")):
        return Check("overlayfs", "found", "as a module")
    return Check("overlayfs", "missing", f"not in {filesystems}", "hosts of the local cloud need Linux with overlayfs")


def namespaces(own: Path) -> Check:
    """Whether the kernel has the namespaces that a host is made of."""
    lacking = [name for name in ("net", "mnt", "pid", "uts", "ipc") if not (own / name).is_symlink()]
    if lacking:
        remedy = "hosts of the local cloud need Linux with namespaces"
        return Check("namespaces", "missing", f"the kernel lacks {', '.join(lacking)}", remedy)
    return Check("namespaces", "found", "network, mount, process, name, ipc")


def disk(free_bytes: int) -> Check:
    """Whether the cache's disk has room for hosts and metrics."""
    free = f"{free_bytes / 2**30:.1f} GiB free under {cache.root()}"
    if free_bytes < _FREE_GIB * 2**30:
        return Check("disk", "unsuitable", free, f"free {_FREE_GIB} GiB, or set XDG_CACHE_HOME to a larger disk")
    return Check("disk", "found", free)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _leftovers() -> list[Check]:
    """A killed installation's policy keeps services from starting: say so."""
    left = quiet_services.stale()
    if left and machine.is_root() and not packages.installing():
        names = ", ".join(str(path) for path in left)
        return [Check("service policy", "unsuitable", f"a killed set-up left {names}", _SETUP)]
    return []


_CHROMIUM = "only tests of pages need it: `make test` installs it as root"
_LOOKS: tuple[Callable[[], list[Check]], ...] = (
    lambda: [_python()],
    lambda: [_environment()],
    lambda: [_engine()],
    lambda: [_language_host()],
    lambda: [_go()],
    lambda: [_base_tree()],
    lambda: [_program("haproxy", "haproxy", ["-v"], r"version (\S+)")],
    lambda: [_postgres()],
    lambda: [_program("iproute2", "ip", ["-V"], r"iproute2-([^\s,]+)")],
    lambda: [_program("mmdebstrap", "mmdebstrap", ["--version"], r"(\d\S+)")],
    lambda: [_program("dpkg-scanpackages", "dpkg-scanpackages", ["--version"], r"version (\d[\d.]*\d)")],
    lambda: [_program("ssh", "ssh", ["-V"], r"OpenSSH_(\S+?),?\s")],
    lambda: [root(os.geteuid(), Path("/proc/self/status"))],
    lambda: [overlay(Path("/proc/filesystems"))],
    lambda: [namespaces(Path("/proc/self/ns"))],
    lambda: [_program("chromium", "chromium", [], "", remedy=_CHROMIUM)],
    lambda: [disk(shutil.disk_usage(_existing(cache.root())).free)],
    _leftovers,
)
