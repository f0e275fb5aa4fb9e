"""A host's power supply: boots init in fresh namespaces, boots it again after a reboot, cuts it off when told.

Run by path with the daemon's Python and nothing but its standard library. It holds the read end of a pipe from the
daemon: when the daemon dies, however it dies, the pipe ends and the host goes with it. The specification (see
``host.py``) is a JSON file named by argv[1]; what happens goes to the file ``state`` beside the host's root.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import select
import shutil
import signal
import stat
import sys
import time
import uuid
from pathlib import Path
from typing import Any

REBOOT, POWEROFF = 70, 71
"""Exit statuses by which init says why it ended."""
_NEWNS, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_PDEATHSIG, _CAPBSET_DROP = 1, 24
_DETACH = 2
_LAST_CAPABILITY = 40
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_libc = ctypes.CDLL(None, use_errno=True)
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_HIDDEN = ("kcore", "keys", "timer_list", "sched_debug")
_READ_ONLY = ("sysrq-trigger", "irq", "bus", "fs", "asound", "acpi", "scsi", "driver", "mtrr")


def main() -> int:
    """Boot until the host is powered off or the daemon is gone."""
    spec = json.loads(Path(sys.argv[1]).read_text())
    with Path("/run/netns", spec["netns"]).open() as space:
        _check(_libc.setns(space.fileno(), _NEWNET), "setns")
    boots = 0
    while True:
        boots += 1
        boot_id = str(uuid.uuid4())
        status = _boot(spec, boots, boot_id)
        reboot = status == REBOOT
        _say(spec, state="rebooting" if reboot else "off", boots=boots, boot_id=boot_id, status=status)
        if not reboot:
            return 0
        if _daemon_gone(spec["boot_seconds"]):
            return 0


def _boot(spec: dict[str, Any], boots: int, boot_id: str) -> int:
    """One boot, from power on to the end of init; its exit status, -1 when it was cut off."""
    told, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(told)
        _die_with_parent()
        _check(_libc.unshare(_NEWNS | _NEWUTS | _NEWIPC | _NEWPID), "unshare")
        init = os.fork()
        if init == 0:
            _die_with_parent()
            os.close(tell)
            try:
                _become_init(spec, boot_id)
            except BaseException as exc:  # noqa: BLE001 - a fork must never return into the caller's stack
                os.write(2, f"cannot boot {spec['name']}: {exc!r}\n".encode())
            os._exit(1)
        os.write(tell, f"{init}\n".encode())
        os.close(tell)
        _, result = os.waitpid(init, 0)
        os._exit(os.WEXITSTATUS(result) if os.WIFEXITED(result) else 255)
    os.close(tell)
    with os.fdopen(told) as answer:
        init_pid = int(answer.readline() or 0)
    _say(spec, state="on", boots=boots, boot_id=boot_id, init=init_pid)
    while True:
        pid, result = os.waitpid(middle, os.WNOHANG)
        if pid:
            return os.WEXITSTATUS(result) if os.WIFEXITED(result) else -1
        if _daemon_gone(0.1):
            os.kill(middle, signal.SIGKILL)
            os.waitpid(middle, 0)
            return -1


def _become_init(spec: dict[str, Any], boot_id: str) -> None:
    root = Path(spec["root"])
    _mount("none", "/", "", _REC | _PRIVATE)
    _overlay(spec, root)
    _devices(root / "dev")
    _mount("tmpfs", root / "run", "tmpfs", _NOSUID | _NODEV, "mode=755")
    _mount("tmpfs", root / "tmp", "tmpfs", _NOSUID | _NODEV, "mode=1777")
    _mount("proc", root / "proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _mount("sysfs", root / "sys", "sysfs", _NOSUID | _NODEV | _NOEXEC | _RDONLY)
    (root / "run/boot_id").write_text(boot_id + "\n")
    _guard_proc(root / "proc", root / "run/boot_id")
    init = root / "run/quartermaster/init.py"
    init.parent.mkdir()
    init.write_text(Path(__file__).with_name("init.py").read_text())
    name = spec["config"]["hostname"].encode()
    _check(_libc.sethostname(name, len(name)), "sethostname")
    _pivot(root)
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in spec["capabilities"]:
            _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
    os.umask(0o022)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "QM_HOST": json.dumps(spec["config"]),
    }
    console = os.open("/var/log/boot.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(console, 1)
    os.dup2(console, 2)
    os.closerange(3, 256)
    os.execve("/usr/bin/python3", ["/usr/bin/python3", "-I", "-S", "/run/quartermaster/init.py"], environment)


def _overlay(spec: dict[str, Any], root: Path) -> None:
    # A volatile overlay skips fsync (dpkg's are most of an upgrade's time); the mark it leaves forbids a second mount.
    mark = Path(spec["work"], "work/incompat/volatile")
    shutil.rmtree(mark, ignore_errors=True)
    layers = {"lowerdir": spec["lower"], "upperdir": spec["upper"], "workdir": spec["work"]}
    options = ",".join(f"{name}={_escaped(path)}" for name, path in layers.items())
    try:
        _mount("overlay", root, "overlay", 0, options + ",volatile")
    except OSError:  # kernels before 5.10
        _mount("overlay", root, "overlay", 0, options)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _devices(dev: Path) -> None:
    _mount("tmpfs", dev, "tmpfs", _NOSUID, "mode=755")
    for name, (major, minor) in _DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR, os.makedev(major, minor))
        (dev / name).chmod(0o666)
    (dev / "pts").mkdir()
    (dev / "shm").mkdir()
    _mount("devpts", dev / "pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5")
    _mount("tmpfs", dev / "shm", "tmpfs", _NOSUID | _NODEV, "mode=1777")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0"}
    links |= {"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
    for name, target in links.items():
        (dev / name).symlink_to(target)


def _guard_proc(proc: Path, boot_id: Path) -> None:
    """Nothing in /proc may reach the machine; only the host's own network settings stay writable."""
    _mount(proc / "sys", proc / "sys", "", _BIND)
    _mount(proc / "sys/net", proc / "sys/net", "", _BIND)
    _mount(boot_id, proc / "sys/kernel/random/boot_id", "", _BIND)
    _mount("none", proc / "sys", "", _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    for name in _READ_ONLY:
        if (proc / name).exists():
            _mount(proc / name, proc / name, "", _BIND)
            _mount("none", proc / name, "", _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    for name in _HIDDEN:
        if (proc / name).exists():
            _mount("/dev/null", proc / name, "", _BIND)


def _pivot(root: Path) -> None:
    os.chdir(root)
    _check(_libc.syscall(_PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    # Both roots are stacked on "/" now; the old one is on top.
    _check(_libc.umount2(b".", _DETACH), "umount old root")
    os.chdir("/")


def _daemon_gone(seconds: float) -> bool:
    """Whether the daemon's end of the pipe has closed; waits up to ``seconds`` for that."""
    until = time.monotonic() + seconds
    while True:
        left = max(0.0, until - time.monotonic())
        if select.select([0], [], [], left)[0]:
            return not os.read(0, 1)
        if left == 0.0:
            return False


def _say(spec: dict[str, Any], **facts: object) -> None:
    path = Path(spec["state"])
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(facts))
    draft.rename(path)


def _die_with_parent() -> None:
    _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _mount(source: object, target: object, kind: str, flags: int, options: str = "") -> None:
    words = (str(source).encode(), str(target).encode(), kind.encode() or None)
    _check(_libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main())
