"""The system packages that the local cloud needs: which are missing, and, as root on Debian, their installation."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.infra.setup import cache, machine
from quartermaster.infra.setup.machine import Say, silent
from quartermaster.infra.setup.quiet_services import quiet_services

__all__ = ["Package", "blocking", "ensure", "install_command", "installing", "missing", "wanted"]


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package and what it is for."""

    name: str
    why: str
    program: str = ""
    """A program of it, or a glob of its files: how it is recognised where dpkg does not know it."""
    unit: str = ""
    """A systemd unit that nobody but us asked for: not to start at the next boot when we installed it."""


_ALWAYS = (
    Package("ca-certificates", "TLS of downloads", "/etc/ssl/certs/ca-certificates.crt"),
    Package("dpkg-dev", "local package repository", "dpkg-scanpackages"),
    Package("haproxy", "load balancers of the local cloud", "haproxy", unit="haproxy.service"),
    Package("iproute2", "networks of the local cloud", "ip"),
    Package("mmdebstrap", "base tree of the local hosts", "mmdebstrap"),
    Package("openssh-client", "reaching hosts", "ssh"),
    Package("pgbackrest", "backups of the local cloud's databases", "pgbackrest"),
    Package("procps", "watching processes", "ps"),
)
_TESTS = (
    Package("chromium", "looking at the report in tests", "chromium"),
    Package("fonts-dejavu-core", "readable pages in tests", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Package("libfaketime", "wrong clocks of hosts in tests", "/usr/lib/*/faketime/libfaketime.so.1"),
    Package("prometheus", "a metrics server to read from in tests", "prometheus", unit="prometheus.service"),
)
_VENV = Package("python3-venv", "making the virtual environment")
_LOCK = Path("/run/quartermaster-packages.lock")
_LOCK_WAIT_SECONDS = 300


def wanted(*, browser: bool = False) -> tuple[Package, ...]:
    """Every package this machine should have; ``browser`` adds what only tests need: a browser, a metrics server."""
    server = machine.postgres_package(machine.codename())
    postgres = Package(server, "databases of the local cloud", "/usr/lib/postgresql/*/bin/initdb")
    venv = () if importlib.util.find_spec("ensurepip") else (_VENV,)
    return (*_ALWAYS, postgres, *venv, *(_TESTS if browser else ()))


def missing(*, browser: bool = False) -> tuple[Package, ...]:
    """The wanted packages that are not there: by dpkg on Debian and its kin, else by their programs. Read-only."""
    asked = wanted(browser=browser)
    if not shutil.which("dpkg-query"):
        return tuple(package for package in asked if not _has_program(package))
    show = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *(p.name for p in asked)]
    listed = subprocess.run(show, env=machine.tool_environment(), capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return tuple(package for package in asked if package.name not in installed)


def _has_program(package: Package) -> bool:
    if package.program.startswith("/"):
        return any(Path("/").glob(package.program[1:]))
    return not package.program or shutil.which(package.program, path=machine.tool_environment()["PATH"]) is not None


def blocking(absent: Sequence[Package]) -> bool:
    """Whether downloads or the virtual environment must wait until these are installed."""
    return bool({package.name for package in absent} & {"ca-certificates", _VENV.name})


def install_command(absent: Sequence[Package]) -> str:
    """What a person types to install these."""
    names = " ".join(package.name for package in absent)
    return f"apt-get install --no-install-recommends {names}"


def ensure(*, browser: bool = False, say: Say = silent) -> None:
    """Install what is missing. Raises MissingPart where we may not install, OpsError when apt fails."""
    absent = missing(browser=browser)
    if not absent:
        return
    if not (machine.is_debian() and machine.is_root()):
        raise MissingPart(f"system packages are missing: {', '.join(p.name for p in absent)}", remedy=_by_hand(absent))
    with cache.locked(_LOCK):
        absent = missing(browser=browser)
        with quiet_services():
            _install(absent, say)
        for package in absent:
            _keep_from_boot(package)


def installing() -> bool:
    """Whether an installation of ours is under way. Read-only."""
    return cache.is_locked(_LOCK)


def _by_hand(absent: Sequence[Package]) -> str:
    uses = "\n".join(f"  {package.name}: {package.why}" for package in absent)
    if machine.is_debian():
        return f"run `sudo {install_command(absent)}`, then `make setup` again:\n{uses}"
    return f"install these (Debian's names) with this system's own tools, then run `make setup` again:\n{uses}"


def _install(absent: Sequence[Package], say: Say) -> None:
    names = [package.name for package in absent]
    if not _known(names):
        _update(say)
    say(f"installing {', '.join(names)}")
    failure = _apt_install(names)
    if failure and "dpkg --configure -a" in failure:
        say("finishing an interrupted installation first")
        _run(["dpkg", "--configure", "-a"])
        failure = _apt_install(names)
    if failure:
        # Lists older than the archive name files that are gone: fetch them anew, once.
        _update(say)
        failure = _apt_install(names)
    if failure:
        raise OpsError(
            f"apt-get could not install {', '.join(names)}:\n{failure}", remedy=f"run `{install_command(absent)}`"
        )


def _known(names: Sequence[str]) -> bool:
    """Whether apt's lists offer every one of these."""
    return _run(["apt-get", "install", "--simulate", "--no-install-recommends", *names])[0] == 0


def _update(say: Say) -> None:
    """Fetch apt's lists; a dead source is no reason to stop, what counts is whether the packages are known then."""
    say("fetching package lists")
    give_up_at = time.monotonic() + _LOCK_WAIT_SECONDS
    while time.monotonic() < give_up_at:
        status, said = _run(["apt-get", "update"])
        if status == 0 or "/lists/lock" not in said:
            return
        say("waiting for another apt")
        time.sleep(2)


def _apt_install(names: Sequence[str]) -> str:
    """Install; empty on success, else the end of what apt said."""
    options = ["--yes", "--no-install-recommends", f"--option=DPkg::Lock::Timeout={_LOCK_WAIT_SECONDS}"]
    options += ["--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold"]
    status, said = _run(["apt-get", "install", *options, *names])
    return "" if status == 0 else "\n".join(said.splitlines()[-12:]) or f"exit {status}"


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Exit status and output. A running apt is never killed: told to stop, we wait for it, so that dpkg stays whole."""
    pipe, joined = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        command, env=machine.tool_environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=joined, text=True
    ) as child:
        try:
            said, _ = child.communicate()
        except BaseException:
            child.communicate()
            raise
    return child.returncode, said


def _keep_from_boot(package: Package) -> None:
    if package.unit and shutil.which("systemctl"):
        _run(["systemctl", "disable", package.unit])
