"""One real host: an EC2 instance as namespaces over the base tree.

``Machine`` keeps the host's disk (the overlay's upper layer) and its address; ``power_on`` starts a launcher
(launch.py) that boots it, and the host lives until it is powered off, killed, or the daemon ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartermaster.infra.local.network import Attachment, Bridge, Network
from quartermaster.infra.local.world import World, log

__all__ = ["CAPABILITIES", "HostSpec", "Machine"]

CAPABILITIES = {
    "chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
    "net_bind_service": 10, "net_admin": 12, "net_raw": 13, "ipc_lock": 14, "sys_chroot": 18, "sys_ptrace": 19,
    "sys_nice": 23, "sys_resource": 24, "audit_write": 29, "setfcap": 31,
}  # fmt: skip
"""What root inside a host may do, by capability(7) number: no clock, modules, raw I/O, mounts or device nodes."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host is made from."""

    id: str
    zone: str
    vpc: str
    vpc_cidr: str
    address: str
    public_key: str
    user_data: str
    """Base64, as the API holds it."""
    region: str
    wanted_on: bool = True
    reboot: int = 0
    """Counts RebootInstances calls."""


@dataclass
class Machine:
    """A host on this machine."""

    spec: HostSpec
    folder: Path
    attachment: Attachment
    launcher: subprocess.Popen[bytes] | None = None
    rebooted: int = 0
    killed: bool = False
    """Power was cut by ``kill_host``: it stays dead until stopped or terminated."""

    @property
    def alive(self) -> bool:
        """Whether the launcher still has it booted (or rebooting)."""
        return self.launcher is not None and self.launcher.poll() is None

    def facts(self) -> Mapping[str, Any]:
        """What the launcher said last: state (on, rebooting, off), boots, boot_id, init (pid)."""
        try:
            facts: dict[str, Any] = json.loads((self.folder / "state").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return facts

    @property
    def init_pid(self) -> int:
        """PID 1 of the host as this machine numbers it; 0 when it is not up."""
        return int(self.facts().get("init", 0)) if self.alive else 0

    def enter(self) -> list[str]:
        """Command prefix that runs something as root inside, with the host's capabilities only."""
        pid = self.init_pid
        if not pid:
            raise ValueError(f"host {self.spec.id} is not up")
        bounding = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES)])
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root"]
        inside = ["setpriv", f"--bounding-set={bounding}", "env", "-i", "-C", "/", path, "HOME=/root", "LC_ALL=C.UTF-8"]
        return ["nsenter", f"--target={pid}", *spaces, "--", *inside]


def make(world: World, network: Network, bridge: Bridge, spec: HostSpec) -> Machine:
    """The host's disk, address, not powered on yet."""
    folder = world.home / "hosts" / spec.id
    world.ledger.add("folder", str(folder))
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "upper").chmod(0o755)
    attachment = network.attach(spec.id, bridge, spec.address)
    return Machine(spec, folder, attachment)


def power_on(world: World, bridge: Bridge, machine: Machine) -> None:
    """Boot it. Returns at once; the launcher goes on."""
    spec = machine.spec
    endpoint = f"http://{bridge.address}:{world.port}"
    hostname = "ip-" + spec.address.replace(".", "-")
    config = {
        "hostname": hostname,
        "address": spec.address,
        "public_key": spec.public_key,
        "user_data": spec.user_data,
        "packages": f"{endpoint}/_packages/",
        "environment": {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": spec.region,
            "AWS_DEFAULT_REGION": spec.region,
        },
    }
    folder = machine.folder
    launch = {
        "name": spec.id,
        "netns": machine.attachment.netns,
        "lower": str(world.base_tree),
        **{name: str(folder / name) for name in ("upper", "work", "root", "state")},
        "capabilities": sorted(CAPABILITIES.values()),
        "boot_seconds": world.timing["launch_boot"],
        "config": config,
    }
    # In a file of ours and not in argv: user data may hold secrets, and every user can read a command line.
    file = folder / "spec.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(launch), encoding="utf-8")
    with (folder / "console.log").open("ab") as output:
        machine.launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(file)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
        )
    machine.killed = False
    log.info("host %s boots at %s in %s", spec.id, spec.address, spec.zone)


def power_off(machine: Machine, *, grace_seconds: float = 20) -> None:
    """Shut down in order, then cut the power."""
    _signal_init(machine, signal.SIGUSR2)
    if machine.launcher is not None:
        try:
            machine.launcher.wait(timeout=grace_seconds)
        except subprocess.TimeoutExpired:
            log.info("host %s did not power off in %.0f s", machine.spec.id, grace_seconds)
    cut(machine)


def reboot(machine: Machine) -> None:
    """Restart in order; init and launcher do the rest."""
    _signal_init(machine, signal.SIGUSR1)


def cut(machine: Machine) -> None:
    """Take the power away: every process of the host dies now."""
    launcher = machine.launcher
    if launcher is None:
        return
    if launcher.stdin is not None and not launcher.stdin.closed:
        launcher.stdin.close()
    try:
        launcher.wait(timeout=5)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()
    machine.launcher = None


def remove(world: World, network: Network, machine: Machine) -> None:
    """Everything of a host that is off: namespace, interface, disk."""
    cut(machine)
    network.detach(machine.attachment)
    until = time.monotonic() + 5
    while subprocess.run(["rm", "-rf", str(machine.folder)], capture_output=True, check=False).returncode != 0:
        if time.monotonic() > until:
            log.warning("cannot remove %s", machine.folder)
            return
        time.sleep(0.1)
    world.ledger.remove("folder", str(machine.folder))


def _signal_init(machine: Machine, number: int) -> None:
    pid = machine.init_pid
    if not pid:
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
