"""The Pulumi engine (its command-line program): found, else downloaded as a release, else built from its Go modules.

What is built is locked: ``engine_modules/`` holds a go.mod and go.sum that name every module with its hash, and Go
refuses another. The build needs Go, about 3 minutes on two cores and 3.3 GB, which go when it ends.
"""

from __future__ import annotations

import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.infra.setup import cache, machine
from quartermaster.infra.setup.machine import Say, silent

__all__ = ["REMEDY", "VERSION", "ensure", "find", "find_go", "go_version", "home", "obstacle", "version_of"]

VERSION = "3.250.0"
"""What we install, and the oldest we take from PATH: tested with the Python SDK of the lock."""

REMEDY = f"install Go 1.25.11 or newer, or put pulumi {VERSION} or newer on PATH, then run `ops setup` again"
"""For a machine that cannot build the engine."""

_MODULES = Path(__file__).parent / "engine_modules"
_PROGRAM = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_STAMP = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={VERSION}"
_RELEASE = "https://get.pulumi.com/releases/sdk/pulumi-v{version}-{system}-{arch}.tar.gz"
_ANSWER_SECONDS = 10
_BUILD_GIB = 4
_OLDEST_GO = (1, 21)
"""From 1.21 on, Go fetches by itself the newer toolchain that go.mod asks for."""


def home() -> Path:
    """Where we keep our engine: ``bin/pulumi`` under it, as ``PulumiCommand(root=…)`` wants. It need not exist."""
    return cache.root() / "engine" / VERSION


def find() -> Path | None:
    """The engine to use: on PATH when adequate, else ours from the cache; None when there is neither. Read-only."""
    on_path = shutil.which("pulumi")
    if on_path and adequate(version_of(Path(on_path))):
        return Path(on_path)
    ours = home() / "bin" / "pulumi"
    return ours if ours.is_file() else None


def version_of(program: Path) -> str:
    """The version that a ``pulumi`` says it has, without the leading v; empty when it does not run. Read-only."""
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        said = subprocess.run(
            [program, "version"], env=environment, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip().removeprefix("v")


def adequate(version: str) -> bool:
    """Whether this version is ours or newer, of the same major."""
    match, wanted = _numbers(version), _numbers(VERSION)
    return bool(match) and match[0] == wanted[0] and match >= wanted


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(part) for part in match.groups()) if match else ()


def ensure(say: Say = silent) -> Path:
    """The engine, brought when it is missing. Raises MissingPart where that cannot be, OpsError when it fails."""
    found = find()
    if found:
        return found
    with cache.locked(home().parent / ".lock"):
        found = find()
        if found:
            return found
        with cache.workbench(home()) as bench:
            refused = _download(bench, say)
            if refused:
                say(f"no official release ({refused}): building it with Go")
                _build(bench, say)
            _install(bench)
    return home() / "bin" / "pulumi"


def _install(bench: Path) -> None:
    """Move ``bench/new`` into its place when its program runs and is the version wanted."""
    version = version_of(bench / "new/bin/pulumi")
    if version != VERSION:
        raise OpsError(f"the engine just made says it is {version or 'nothing'}, not {VERSION}", remedy=REMEDY)
    (bench / "new/pulumi").symlink_to("bin/pulumi")
    cache.remove(home())
    (bench / "new").rename(home())


def _download(bench: Path, say: Say) -> str:
    """Unpack the official release into ``bench/new/bin``; returns why not when there is none for us."""
    arch = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
    if not arch:
        return f"none for {platform.machine()}"
    url = _RELEASE.format(version=VERSION, system=platform.system().lower(), arch=arch)
    say(f"asking for release {VERSION}")
    try:
        with _open(url) as answer:
            say(f"downloading release {VERSION}")
            _unpack(answer, bench / "new/bin")
    except (OSError, tarfile.TarError) as exc:
        cache.remove(bench / "new")
        return str(getattr(exc, "reason", "") or exc)
    return ""


def _open(url: str) -> IO[bytes]:
    """The answer's body. Looking a name up has no time limit of its own, hence the thread."""
    answers: queue.SimpleQueue[IO[bytes] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_ANSWER_SECONDS))
        except OSError as exc:
            answers.put(exc)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer in {_ANSWER_SECONDS} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _unpack(release: IO[bytes], folder: Path) -> None:
    """The programs of a release archive (``pulumi/NAME``) into ``folder``; nothing else is taken from it."""
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=release, mode="r|gz") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            parent, _, name = member.name.rpartition("/")
            if content and parent == "pulumi" and name:
                with (folder / name).open("wb") as target:
                    shutil.copyfileobj(content, target)
                (folder / name).chmod(0o755)


def _build(bench: Path, say: Say) -> None:
    go = find_go()
    why_not = obstacle(go_version(go) if go else "", shutil.disk_usage(bench).free)
    if go is None or why_not:
        raise MissingPart(f"the Pulumi engine cannot be built: {why_not}", remedy=REMEDY)
    shutil.copytree(_MODULES, bench / "modules")
    environment = {**os.environ, **_go_environment(bench)}
    say("fetching Go modules")
    listed = _go([go, "list", "-deps", _PROGRAM], bench, environment).splitlines()
    command = [go, "build", "-v", "-trimpath", "-ldflags", _STAMP, "-o", str(bench / "new/bin/pulumi"), _PROGRAM]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=bench / "modules", env=environment, stderr=subprocess.PIPE, text=True) as build:
        try:
            for line in build.stderr or ():
                lines.append(line)
                say(f"compiled {len(lines)} of {len(listed)} Go packages")
        except BaseException:
            build.send_signal(signal.SIGINT)
            raise
    if build.returncode != 0:
        tail = "".join(lines[-15:]).rstrip()
        raise OpsError(f"go build failed ({build.returncode}):\n{tail}", remedy="run `ops setup` again")


def _go(command: list[str], bench: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=bench / "modules", env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-8:])
        remedy = "see that Go reaches its modules (GOPROXY), then run `ops setup` again"
        raise OpsError(f"go {' '.join(command[1:])} failed ({done.returncode}):\n{tail}", remedy=remedy)
    return done.stdout


def _go_environment(bench: Path) -> Mapping[str, str]:
    """Go's settings for this build: caches that go with it, and no module beside the locked ones."""
    return {
        "GOPATH": str(bench / "path"),
        "GOMODCACHE": str(bench / "path/pkg/mod"),
        "GOCACHE": str(bench / "cache"),
        "GOTMPDIR": str(bench),
        "GOBIN": "",
        "GOWORK": "off",
        # No symbols for a debugger: the linker would drop them (-s), and they take a seventh of the compiler's time.
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -gcflags=all=-dwarf=false",
        "CGO_ENABLED": "0",
        # A compiler lives for a second: to collect its garbage takes a quarter of its time, and the memory goes anyway.
        "GOGC": "off",
        "GOMEMLIMIT": "1GiB",
    }


def find_go() -> str | None:
    """The Go program: on PATH, else where its own archive puts it. Read-only."""
    return shutil.which("go", path=machine.tool_environment()["PATH"] + os.pathsep + "/usr/local/go/bin")


def go_version(go: str) -> str:
    """The version of a Go program, e.g. ``1.26.8``; empty when it does not run. Read-only."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        said = subprocess.run(
            [go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip().removeprefix("go")


def obstacle(version_of_go: str, free_bytes: int) -> str:
    """Why the engine cannot be built with this Go and this much disk; empty when it can."""
    match = re.match(r"(\d+)\.(\d+)", version_of_go)
    if not match:
        return "there is no Go on PATH"
    if tuple(int(part) for part in match.groups()) < _OLDEST_GO:
        return f"Go {version_of_go} is too old"
    if free_bytes < _BUILD_GIB * 2**30:
        return f"{free_bytes / 2**30:.1f} GiB free under {cache.root()}, the build needs {_BUILD_GIB}"
    return ""
