"""The faults that a patch cycle meets, as data: how each is made on a real host, what must come of it, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from quartermaster.infra.local import client
from quartermaster.playbooks.machine import Limits
from tests.hosts.patch_cluster import NAME, PatchCluster

__all__ = ["FAULTS", "LIMITS", "Fault", "Scene"]

REBOOT = {"postinst": "#!/bin/sh\ntouch /run/reboot-required\n"}
STOPS_NGINX = {"postinst": "#!/bin/sh\nservice nginx stop\n"}
FAILS = {"postinst": "#!/bin/sh\nexit 1\n"}
HANGS = {"postinst": "#!/bin/sh\nsleep 600\n"}
BIG = {"/srv/www/page/big": secrets.token_hex(200_000)}
LIMITS = Limits(
    drain_slack=60, lock=6, transaction=120, converge=300, reboot=120, health=30, healthy=120, replacement=400, poll=0.3
)
"""As long as a busy machine takes; a row whose fault is that something never ends waits for less."""
_CLOCK_LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"


@dataclass
class Scene:
    """Where a fault strikes."""

    cluster: PatchCluster
    host: str
    """The host that is struck."""
    version: str

    def on(self, command: str) -> str:
        return self.cluster.on(self.host, command)

    def mount(self, act: str) -> None:
        """Call mount or umount of libc on the host, with rights that nobody there has."""
        code = f"import ctypes; assert ctypes.CDLL(None).{act} == 0"
        enter = ["nsenter", f"--target={self._init}", "--mount", "--root"]
        subprocess.run([*enter, "/usr/bin/python3", "-c", code], check=True)

    @property
    def root(self) -> Path:
        """The host's root folder as this machine sees it."""
        return Path(f"/proc/{self._init}/root")

    @property
    def repository(self) -> Path:
        return self.cluster.workspace.folder("local") / "packages"

    @property
    def _init(self) -> int:
        state = self.cluster.workspace.folder("local") / "hosts" / self.host / "state"
        return int(json.loads(state.read_text(encoding="utf-8"))["init"])

    def groups(self, operation: str, **words: object) -> None:
        """Ask something of the auto-scaling API about the group."""
        getattr(self.cluster.cloud.client("autoscaling"), operation)(AutoScalingGroupName=NAME, **words)


def _nothing(_: Scene) -> None:
    pass


Act = Callable[[Scene], object]


@dataclass(frozen=True)
class Fault:
    """One row: what is offered, when and how the fault strikes, what must come of it, and how it is mended."""

    name: str
    why: str
    """What the journal tells of the struck host, as a pattern."""
    state: str
    """How the struck host ends; ``patched`` where the fault was overcome."""
    inject: Act = _nothing
    at: str = ""
    """The step of the struck host at whose start the fault strikes; empty: between plan and run, when the strikes is
    on the next host: while the canary drains."""
    heal: Act = _nothing
    scripts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    strikes: str = "canary"
    """Whom: canary, or next: the host whose turn comes after it."""
    left: str = "serving"
    """Where the struck host is after the run: serving, gone from the group, or in a state of standby until it is mended
    and `recover` returns it."""
    ends: str = "failed"
    """State of the run."""
    failed: int = 0
    """Requests that may fail, as the fault itself breaks serving hosts."""
    limits: Limits = LIMITS
    soak: bool = False
    """Of the full table, and not of the short one."""


def _put_away(files: str, folder: str) -> dict[str, Act]:
    return {
        "inject": lambda scene: scene.on(f"mkdir -p /root/away && mv {folder}/{files} /root/away/"),
        "heal": lambda scene: scene.on(f"mv /root/away/* {folder}/"),
    }


def _new_host_key(scene: Scene) -> None:
    scene.on("mkdir -p /root/keys && cp -a /etc/ssh/ssh_host_* /root/keys/ && rm /etc/ssh/ssh_host_*")
    scene.on("for kind in ed25519 ecdsa; do ssh-keygen -q -t $kind -N '' -f /etc/ssh/ssh_host_${kind}_key; done")
    scene.on("service ssh restart")


def _old_host_key(scene: Scene) -> None:
    scene.on("cp -a /root/keys/* /etc/ssh/ && service ssh restart")


def _wrong_clock(scene: Scene) -> None:
    """Three days slow, for all that root runs over SSH: apt and Python. (In sshd's own sandbox it may not be.)"""
    library = next(Path("/").glob(_CLOCK_LIBRARY[1:]))
    (scene.root / "usr/lib/libfaketime.so.1").write_bytes(library.read_bytes())
    (scene.root / "etc/clock.env").write_text("LD_PRELOAD=/usr/lib/libfaketime.so.1\nFAKETIME=-3d\n")
    rule = scene.root / "etc/sudoers.d/99-clock"
    rule.write_text("Defaults env_file=/etc/clock.env\n")
    rule.chmod(0o440)


def _vanish(scene: Scene) -> None:
    """The package is taken back: the repository has its index made anew without it."""
    next(scene.repository.glob(f"shop-page_{scene.version}_*")).unlink()
    scene.cluster.offer("0.1")


def _fill(folder: str, kib: int) -> Act:
    """The disk that holds the folder, as it was but with so much room."""

    def act(scene: Scene) -> None:
        scene.on(f"rm -rf /run/kept && cp -a {folder} /run/kept")
        scene.mount(f"mount(b'none', b'{folder}', b'tmpfs', 0, b'size={kib}k,mode=755')")
        scene.on(f"cp -a /run/kept/. {folder}/")

    return act


def _empty(folder: str) -> Act:
    return lambda scene: scene.mount(f"umount(b'{folder}')")


def _lock(seconds: int) -> Act:
    hold = (
        "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); "
        f"fcntl.lockf(f, fcntl.LOCK_EX); time.sleep({seconds})"
    )
    return lambda scene: scene.on(
        f'setsid python3 -c "{hold}" >/dev/null 2>&1 </dev/null & echo $! >/run/holder; sleep 0.5'
    )


def _lose(scene: Scene) -> None:
    client.kill_host(scene.cluster.workspace, scene.host)


def _scrap(scene: Scene) -> None:
    """What is lost stays lost: the group is let do without it."""
    scene.cluster.hosts.terminate(scene.host)


def _sshd_stays_away(scene: Scene) -> None:
    scene.on("mkdir -p /root/rc && mv /etc/rc2.d/S*ssh /root/rc/")


def _sshd_again(scene: Scene) -> None:
    scene.on("mv /root/rc/* /etc/rc2.d/ && service ssh start")


def _drain(scene: Scene, seconds: int) -> None:
    """Longer than anybody waits here; AWS lets it be an hour."""
    elb = scene.cluster.cloud.client("elbv2")
    elb.modify_target_group_attributes(
        TargetGroupArn=scene.cluster.hosts.group("web").target_group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(seconds)}],
    )


def _drained(scene: Scene) -> None:
    """It has ended at last, as it does in an hour on AWS."""
    _drain(scene, 3)
    for _ in range(300):
        if {host.id: host.lifecycle for host in scene.cluster.hosts.group("web").hosts}[scene.host] == "Standby":
            return
        time.sleep(0.3)


def _no_balancer(scene: Scene) -> None:
    """Its HAProxy dies; the local cloud starts another after a while, as AWS would."""
    home, found = str(scene.cluster.workspace.folder("local")), []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text() == "haproxy\n" and str((entry / "cwd").readlink()).startswith(home):
                found.append(int(entry.name))
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def _broken_bundle(scene: Scene) -> None:
    scene.on("cd /opt/ops/bundles/current/ && cp site.yml site.kept && echo '- no: play' > site.yml")


FAULTS = (
    Fault(
        "SSH key refused", r"Permission denied.*\(put the fleet's public key back", "failed",
        **_put_away("authorized_keys", "~admin/.ssh"),
    ),
    Fault("host key changed", r"[Hh]ost key.*\(replace the host", "failed", _new_host_key, heal=_old_host_key),
    Fault("sudo refused", r"facts: sudo: .*\(let user admin", "failed", **_put_away("*", "/etc/sudoers.d")),
    Fault(
        "clock wrong", r"clock of host \S+ is 2\d{5} s behind ours, 60 s may be", "failed",
        _wrong_clock, heal=lambda scene: scene.on("rm /etc/sudoers.d/99-clock"),
    ),
    Fault(
        "package repository down", r"save: apt-get update: .*\(see that the host reaches its package", "failed",
        lambda scene: scene.repository.rename(scene.repository.with_name("away")),
        heal=lambda scene: scene.repository.with_name("away").rename(scene.repository),
    ),
    Fault("package vanishes between plan and run", r"save: .*not found.*\(plan again", "failed", _vanish),
    Fault(
        "disk full before the patch", r"save: .*space.*\(free space", "failed", _fill("/var/cache/apt/archives", 64),
        heal=_empty("/var/cache/apt/archives"), files=BIG,
    ),
    Fault(
        "package lock held for ever", r"save: .*lock.*\(end the process", "failed",
        _lock(600), heal=lambda scene: scene.on("kill $(cat /run/holder)"),
    ),
    Fault("package lock held for a while", "", "patched", _lock(3), "upgrade", ends="done"),
    Fault(
        "bad package: health fails", r"not healthy on itself", "rolled_back", scripts=STOPS_NGINX,
        limits=replace(LIMITS, health=8),
    ),
    Fault(
        "bad package: postinst fails", r"upgrade: upgrade failed \(100\)", "rolled_back", scripts=FAILS, soak=True,
    ),
    Fault(
        "bad package: postinst never ends", r"upgrade was not done after \d+ s", "rolled_back",
        scripts=HANGS, limits=replace(LIMITS, transaction=20), soak=True,
    ),
    Fault(
        "disk full amid the patch", r"upgrade: .*No space left.*\(free space", "rolled_back",
        _fill("/srv/www/page", 128), "upgrade", heal=_empty("/srv/www/page"), files=BIG,
        soak=True,
    ),
    Fault(
        "drain never ends", r"was not drained in \d+ s: EnteringStandby.*recover", "drained",
        lambda scene: _drain(scene, 25), "standby",
        heal=_drained, left="EnteringStandby", limits=replace(LIMITS, drain_slack=10),
    ),
    Fault(
        "converge fails", r"converge failed.*left drained.*no canary has passed", "drained", _broken_bundle, "upgrade",
        heal=lambda scene: scene.on("cd /opt/ops/bundles/current/ && mv site.kept site.yml"),
        scripts=REBOOT, left="Standby", soak=True,
    ),
    Fault(
        "host lost in standby", r"upgrade: .*left drained, and not replaced", "drained", _lose, "upgrade",
        heal=_scrap, left="Standby", soak=True,
    ),
    Fault(
        "reboot that never returns", r"did not come back within \d+ s of its reboot", "drained",
        _sshd_stays_away, "reboot", heal=_sshd_again, scripts=REBOOT, left="Standby",
        limits=replace(LIMITS, reboot=15),
    ),
    Fault(
        "host lost during its reboot", r"did not come back.*serves in its place", "replaced",
        lambda scene: threading.Timer(1.0, _lose, [scene]).start(), "reboot",
        scripts=REBOOT, strikes="next", ends="done", left="gone", limits=replace(LIMITS, reboot=30),
    ),
    Fault(
        "group scales in meanwhile", r"no longer in group", "failed",
        lambda scene: scene.cluster.hosts.terminate(scene.host, replaced=False), strikes="next", left="gone",
    ),
    Fault(
        "group replaces a host meanwhile", r"no longer in group|Terminating", "failed",
        lambda scene: scene.cluster.hosts.terminate(scene.host), strikes="next", left="gone", soak=True,
    ),
    Fault(
        "instance refresh started meanwhile", "", "pending",
        lambda scene: scene.groups("start_instance_refresh", Preferences={"MinHealthyPercentage": 100}),
        strikes="next", ends="stopped", heal=lambda scene: scene.groups("cancel_instance_refresh"),
        soak=True,
    ),
    Fault("balancer gone", "", "patched", _no_balancer, "upgrade", ends="done", failed=100_000),
)  # fmt: skip
