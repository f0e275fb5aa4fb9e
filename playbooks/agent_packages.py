"""Packages on a host, by apt and dpkg: asked, fetched and kept. Runs there beside agent.py, standard library only."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "APT",
    "ENVIRONMENT",
    "LIMITS",
    "Trouble",
    "announced",
    "bounded",
    "complaint",
    "dragged",
    "execute",
    "fetch",
    "keep",
    "must",
    "patience",
    "simulate",
    "unasked",
    "unsaved",
    "update_lists",
    "upgrade_words",
    "versions",
]

LIMITS = {"lock": 120.0, "transaction": 1800.0, "converge": 1800.0}
"""Seconds; whoever orders may tell others."""
APT = (
    "apt-get",
    "--yes",
    "--quiet=2",
    "--option=Dpkg::Use-Pty=0",  # in a session of its own dpkg would outlive what ends apt-get
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    "--option=APT::Install-Recommends=false",
    "--option=APT::Sandbox::User=root",
)
ENVIRONMENT = {
    **os.environ,
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "UCF_FORCE_CONFFOLD": "1",
    "NEEDRESTART_MODE": "a",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
_INST = re.compile(r"^Inst (\S+) (?:\[(\S+)\] )?\((\S+) (.*?)\[\w+\]\)", re.M)
_LISTED = re.compile(
    r"^The following (?:NEW packages will be installed|packages will be upgraded):\n((?: .*\n)+)", re.M
)
_STEP = re.compile(r"^ +(\S+) \((?:(\S+) => )?(\S+)\)$", re.M)
_COUNTED = re.compile(r"^(\d+) upgraded, (\d+) newly installed", re.M)
_ASKING = "/usr/sbin/dpkg-preconfigure --apt || true"


class Trouble(Exception):
    """What a person should read."""


def update_lists() -> None:
    """Read the package lists again; a repository that does not answer is an error, and not an empty list."""
    must([*APT, "--option=APT::Update::Error-Mode=any", "update"])


def fetch(pins: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the upgrade would change, all of it brought here."""
    words = ["--quiet=1", "--option=APT::Get::Show-Versions=true", "--download-only"]
    changes = announced(must([*APT, *words, patience(), *upgrade_words(pins)]))  # to simulate costs twice as much
    if changes is None:
        changes = simulate(upgrade_words(pins))
    if more := _unpinned(changes, pins):
        raise Trouble(f"the upgrade would also upgrade {', '.join(more)}, which the plan does not hold")
    return changes


def announced(said: str) -> list[dict[str, Any]] | None:
    """What apt-get said that it changes: {name, old, new}; None where that is not as many as it counted. Pure."""
    steps = [step for block in _LISTED.findall(said) for step in _STEP.findall(block)]
    counted = _COUNTED.search(said)
    if counted is None or len(steps) != int(counted[1]) + int(counted[2]):
        return None
    return [{"name": name, "old": old, "new": new} for name, old, new in steps]


def unasked(path: str) -> None:
    """Write settings by which apt has debconf ask nothing ahead: nobody would answer, and a third of its time is saved.

    Only where that is its one hook of this kind: apt can be told to forget all of them, and not one.
    """
    hooks = execute(["apt-config", "dump", "--format=%v%n", "DPkg::Pre-Install-Pkgs"]).stdout.split("\n")
    if [hook for hook in hooks if hook] == [_ASKING]:
        with open(path, "w") as file:
            file.write("#clear DPkg::Pre-Install-Pkgs;\n")


def patience() -> str:
    """How long apt waits for whoever holds its lock."""
    return f"--option=DPkg::Lock::Timeout={LIMITS['lock']:.0f}"


def upgrade_words(pins: Mapping[str, str]) -> list[str]:
    """What is asked of apt-get for exactly these versions."""
    return ["--only-upgrade", "--no-remove", "install", *(f"{name}={pins[name]}" for name in sorted(pins))]


def simulate(words: list[str]) -> list[dict[str, Any]]:
    """What apt-get would change, asked that way: {name, old, new, security, source}."""
    text = must([*APT, "--simulate", "--option=Debug::NoLocking=1", *words])
    return [
        {"name": name, "old": old or "", "new": new, "security": "security" in source.lower(), "source": source.strip()}
        for name, old, new, source in _INST.findall(text)
    ]


def dragged(pins: Mapping[str, str]) -> dict[str, list[str]]:
    """Installed packages that are not pinned and would be upgraded all the same, by the pinned one that needs it."""
    if not pins or not _unpinned(simulate(upgrade_words(pins)), pins):
        return {}
    alone = {name: _unpinned(simulate(upgrade_words({name: pins[name]})), pins) for name in sorted(pins)}
    return {name: more for name, more in alone.items() if more}


def _unpinned(changes: list[dict[str, Any]], pins: Mapping[str, str]) -> list[str]:
    return sorted(change["name"] for change in changes if change["old"] and change["name"] not in pins)


def unsaved(changes: list[dict[str, Any]]) -> list[str]:
    """Packages whose installed version neither a repository nor apt's own cache has: `save` could not keep it."""
    changes = [one for one in changes if not _cached(one)]
    if not changes:
        return []
    rows = (line.split("|") for line in must(["apt-cache", "madison", *(one["name"] for one in changes)]).splitlines())
    offered = {(row[0].strip(), row[1].strip()) for row in rows}
    return [one["name"] for one in changes if (one["name"], one["old"]) not in offered]


def _cached(change: Mapping[str, Any]) -> list[str]:
    return glob.glob("/var/cache/apt/archives/{}_{}_*.deb".format(change["name"], change["old"].replace(":", "%3a")))


def keep(folder: str, changes: list[dict[str, Any]]) -> list[str]:
    """Bring each installed version's .deb: from apt's own cache, else from the repository. Returns what has none."""
    wanted = []
    for change in changes:
        cached = _cached(change)
        for path in cached:
            shutil.copy(path, folder)
        if not cached:
            wanted.append(change)

    def download(some: list[dict[str, Any]]) -> bool:
        named = [f"{change['name']}={change['old']}" for change in some]
        return execute([*APT, "download", *named], cwd=folder).returncode == 0

    if not wanted or download(wanted):
        return []
    # One that cannot be had lets all fail that are asked for with it.
    return [change["name"] for change in wanted if not download([change])]


def versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions; what is not installed is missing."""
    wanted = sorted(names)
    if not wanted:
        return {}
    shown = execute(
        ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\\n", *wanted]
    ).stdout
    rows = (line.split(" ") for line in shown.splitlines())
    return {row[0]: row[1] for row in rows if row[2] == "installed"}


def execute(
    command: list[str], cwd: str = "/", extra: Mapping[str, str] | None = None, limit: str = "transaction"
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, nothing to read, its words kept."""
    environment = {**ENVIRONMENT, **(extra or {})}
    return subprocess.run(
        bounded(command, limit),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def bounded(command: list[str], limit: str = "transaction") -> list[str]:
    """The command, ended when it takes too long: then its exit status is 124."""
    return ["timeout", "--kill-after=10", str(LIMITS[limit]), *command]


def must(command: list[str]) -> str:
    """What it says. Raises Trouble with its last words."""
    done = execute(command)
    if done.returncode != 0:
        raise Trouble(
            f"{' '.join(word for word in command if not word.startswith('-'))}: {complaint(done.stdout + done.stderr)}"
        )
    return done.stdout


def complaint(said: str) -> str:
    """What went wrong, of all that a package command said: from its first error on, else its last lines."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if re.search(r"\berror\b|^E:", line, re.I)), len(lines) - 4)
    return " ".join(lines[max(0, first) :])[:600]
