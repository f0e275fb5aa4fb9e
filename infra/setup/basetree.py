"""The base tree: a minimal Debian with what a server host needs, read-only under every local host, built once per user.

It is what an AMI is on AWS: nothing started, no service enabled that a role has not asked for, no identity of its own
(host keys, machine id), and a user ``admin`` who may become root.
Whoever starts a host makes ``/run/host-ready`` when services may start: until then ``policy-rc.d`` denies them.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import subprocess
import time
from pathlib import Path

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.infra.setup import apt_sources, cache, machine
from quartermaster.infra.setup.machine import Say, silent

__all__ = ["PACKAGES", "ensure", "manifest", "path"]

PACKAGES = (
    "acl",
    "ansible-core",
    "apt-utils",
    "ca-certificates",
    "curl",
    "haproxy",
    "iproute2",
    "iputils-ping",
    "less",
    "logrotate",
    "netbase",
    "nginx-light",
    "openssh-server",
    "procps",
    "prometheus-node-exporter",
    "python3",
    "python3-apt",
    "python3-boto3",
    "sudo",
    "tzdata",
)
"""On every host, beside Debian's essential packages, apt and PostgreSQL's server."""

_LEFT_OUT = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/lintian/*")
_DPKG = "".join(f"path-exclude={glob}\n" for glob in _LEFT_OUT) + "path-include=/usr/share/doc/*/copyright\n"

_POLICY = """#!/bin/sh
# Services may start once the host says that it is up (policy-rc.d(8): 101 is "denied by policy").
[ -e /run/host-ready ] && exit 0
exit 101
"""

_BEFORE_INSTALL = """#!/bin/sh
set -e
mkdir -p "$1/etc/postgresql-common/createcluster.d"
echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.d/host.conf"
"""

_FINISH = """#!/bin/sh
set -e
chroot "$1" useradd --create-home --shell /bin/bash --groups sudo admin
chroot "$1" passwd --lock admin >/dev/null
chroot "$1" passwd --lock root >/dev/null
for service in haproxy nginx postgresql prometheus-node-exporter; do chroot "$1" update-rc.d "$service" disable; done
install -d -m 0700 -o 1000 -g 1000 "$1/home/admin/.ssh"
echo "admin ALL=(ALL) NOPASSWD:ALL" > "$1/etc/sudoers.d/90-admin"
chmod 0440 "$1/etc/sudoers.d/90-admin"
rm -f "$1"/etc/ssh/ssh_host_*_key "$1"/etc/ssh/ssh_host_*_key.pub
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/log/apt/* "$1"/var/log/*.log
rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap
: > "$1/etc/machine-id"
: > "$1/etc/resolv.conf"
echo localhost > "$1/etc/hostname"
printf '127.0.0.1 localhost\\n::1 localhost ip6-localhost ip6-loopback\\n' > "$1/etc/hosts"
"""


def packages(suite: str) -> tuple[str, ...]:
    """What is installed for ``suite``, its PostgreSQL server included."""
    return (*PACKAGES, machine.postgres_package(suite))


def path(suite: str | None = None) -> Path:
    """Where the tree for ``suite`` (default: this machine's) lies or will lie; another recipe is another folder."""
    suite = suite or machine.codename() or "unknown"
    recipe = (platform.machine(), *packages(suite), _DPKG, _POLICY, _BEFORE_INSTALL, _FINISH)
    digest = hashlib.sha256("\0".join(recipe).encode()).hexdigest()
    return cache.root() / "base" / f"{suite}-{digest[:12]}"


def manifest(tree: Path) -> dict[str, object]:
    """What is known of a built tree: built_at, seconds, bytes, packages {name: version}; empty when there is none."""
    beside = tree.with_name(f"{tree.name}.json")
    return dict(json.loads(beside.read_text())) if beside.is_file() else {}


def ensure(say: Say = silent) -> Path:
    """The base tree, built when it is missing. Raises MissingPart where that cannot be, OpsError when it fails."""
    tree = path()
    if tree.is_dir():
        return tree
    why_not = obstacle()
    if why_not:
        raise MissingPart(f"the base tree cannot be built here: {why_not}", remedy="run `ops setup` as root on Debian")
    with cache.locked(tree.parent / ".lock"):
        if not tree.is_dir():
            _build(tree, say)
    return tree


def obstacle() -> str:
    """Why this machine cannot build the tree; empty when it can (mmdebstrap aside, which set-up brings). Read-only."""
    if not machine.is_debian():
        return "this machine is not Debian"
    if not machine.is_root():
        return "root is needed (hosts in network namespaces need it too)"
    if not apt_sources.debian_sources(apt_sources.read_sources(), machine.codename()):
        return f"/etc/apt names no Debian source with main for {machine.codename()}"
    return ""


def _build(tree: Path, say: Say) -> None:
    suite, begun = machine.codename(), time.monotonic()
    with cache.workbench(tree) as bench:
        for name, text in {"before": _BEFORE_INSTALL, "finish": _FINISH, "dpkg": _DPKG, "apt": _apt_options()}.items():
            (bench / name).write_text(text)
            (bench / name).chmod(0o755)
        sources = apt_sources.debian_sources(apt_sources.read_sources(), suite)
        _mmdebstrap(bench, suite, apt_sources.render(sources), say)
        built = bench / "tree"
        # mmdebstrap removes its own policy-rc.d last, so ours is written after it.
        policy = built / "usr/sbin/policy-rc.d"
        policy.write_text(_POLICY)
        policy.chmod(0o755)
        facts = {"seconds": round(time.monotonic() - begun, 1), **_facts(built)}
        tree.with_name(f"{tree.name}.json").write_text(json.dumps(facts, indent=1) + "\n")
        built.rename(tree)


def _mmdebstrap(bench: Path, suite: str, sources: str, say: Say) -> None:
    command = [
        # Namespaces of its own: its mounts and processes vanish with it, also when we are killed.
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"),
        f"--aptopt={bench / 'apt'}",
        f"--dpkgopt={bench / 'dpkg'}",
        f"--include={','.join(packages(suite))}",
        f'--essential-hook={shlex.quote(str(bench / "before"))} "$1"',
        f'--customize-hook={shlex.quote(str(bench / "finish"))} "$1"',
        *(suite, str(bench / "tree"), "-"),
    ]
    say(f"unpacking Debian {suite} with {len(packages(suite))} packages and what they need")
    try:
        done = subprocess.run(
            command, input=sources, env=machine.tool_environment(), capture_output=True, text=True, check=False
        )
    except FileNotFoundError as exc:
        raise MissingPart(f"{exc.filename} is not installed", remedy=f"apt-get install {exc.filename}") from exc
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        remedy = "see that `apt-get update` works with the sources in /etc/apt, then run `ops setup` again"
        raise OpsError(f"mmdebstrap failed ({done.returncode}):\n{tail}", remedy=remedy)


def _apt_options() -> str:
    """How this machine's apt reaches its mirror (proxy, certificates, date checks), plus no recommends, as apt.conf."""
    reach = ("Acquire::Check-", "Acquire::Retries", "Acquire::http::", "Acquire::https::")
    kept = [line for line in _read(["apt-config", "dump"]).splitlines() if line.startswith(reach)]
    return "\n".join(['APT::Install-Recommends "false";', *kept]) + "\n"


def _facts(tree: Path) -> dict[str, object]:
    shown = "${Package} ${Version}\\n"
    listed = _read(["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show", f"--showformat={shown}"])
    return {
        "built_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "bytes": int(_read(["du", "--summarize", "--bytes", str(tree)]).split()[0]),
        "packages": dict(line.split(" ", 1) for line in listed.splitlines()),
    }


def _read(command: list[str]) -> str:
    environment = machine.tool_environment()
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
