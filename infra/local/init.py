"""PID 1 of a local host: what the boot loader, init and cloud-init are on an EC2 instance.

Runs on the base tree's own Python with its standard library only. At the first boot it gives the host its identity
and runs the user data, at every boot it starts the enabled services; then it reaps until it is told to go down.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_REBOOT, _POWEROFF = 70, 71  # launch.py reads these
_SEEN = Path("/var/lib/cloud/instance")
_SHIM = """#!/bin/sh
# This host's init takes signals: USR1 is reboot, USR2 is power off.
signal={signal}
for word in "$@"; do
    case "$word" in
        -r | --reboot) signal=USR1 ;;
        -h | -P | -H | -p | --poweroff | --halt) signal=USR2 ;;
        -c) exit 0 ;;
    esac
done
# A moment for the session that asked to end well.
(sleep 1; kill -s "$signal" 1) >/dev/null 2>&1 </dev/null &
"""


def main() -> None:
    """Boot, then reap for ever."""
    config = json.loads(os.environ.pop("QM_HOST"))
    wanted: list[int] = []
    signal.signal(signal.SIGUSR1, lambda *_: wanted.append(_REBOOT))
    signal.signal(signal.SIGUSR2, lambda *_: wanted.append(_POWEROFF))
    signal.signal(signal.SIGCHLD, lambda *_: None)  # handled, so that it wakes the loop below
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for folder in ("/run/lock", "/run/sshd"):
        Path(folder).mkdir(exist_ok=True)
    os.environ.update(config["environment"])
    first = not _SEEN.is_dir()
    if first:
        _identity(config)
    Path("/run/host-ready").touch()
    services = _enabled()
    for service in services:
        _run([service, "start"])
    if first:
        _SEEN.mkdir(parents=True)
        _user_data(config["user_data"])
    _say(f"up: {config['hostname']}")
    while not wanted:
        _reap()
        if select.select([woken], [], [], 30)[0]:
            os.read(woken, 4096)
    _go_down(wanted[0])


def _identity(config: dict[str, object]) -> None:
    host, address = str(config["hostname"]), str(config["address"])
    _write("/etc/hostname", f"{host}\n")
    _write("/etc/hosts", f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{address} {host}\n")
    _write("/etc/machine-id", os.urandom(16).hex() + "\n")
    _write("/etc/apt/sources.list", f"deb [trusted=yes] {config['packages']} ./\n")
    _write("/etc/apt/apt.conf.d/90local", 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n')
    environment = dict(config["environment"])  # type: ignore[call-overload]
    lines = [f'{name}="{value}"' for name, value in environment.items()]
    _write("/etc/environment", "\n".join([*lines, ""]))
    names = {"reboot": "USR1", "shutdown": "USR2", "halt": "USR2", "poweroff": "USR2"}
    for name, number in names.items():
        _write(f"/usr/sbin/{name}", _SHIM.format(signal=number), 0o755)
    _write("/usr/sbin/runlevel", "#!/bin/sh\necho N 2\n", 0o755)
    admin = pwd.getpwnam("admin")
    folder = Path(admin.pw_dir, ".ssh")
    folder.mkdir(mode=0o700, exist_ok=True)
    _write(str(folder / "authorized_keys"), str(config["public_key"]).strip() + "\n", 0o600)
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, admin.pw_uid, admin.pw_gid)
    for kind in ("ed25519", "ecdsa"):  # no RSA: making it takes longer than the rest of the boot
        key = f"/etc/ssh/ssh_host_{kind}_key"
        if not Path(key).exists():
            _run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{host}", "-f", key])


def _enabled() -> list[str]:
    """Scripts of the services that start in runlevel 2, sshd first: whoever waits for the host waits for that."""
    links = sorted(Path("/etc/rc2.d").glob("S*"), key=lambda link: (not link.name.endswith("ssh"), link.name))
    return [str(link.resolve()) for link in links if link.resolve().is_file()]


def _user_data(encoded: str) -> None:
    """Run the script once, as cloud-init does; its output goes to /var/log/cloud-init-output.log."""
    if not encoded:
        return
    text = base64.b64decode(encoded)
    script = _SEEN / "user-data.txt"
    script.write_bytes(text)
    script.chmod(0o700)
    if not text.startswith(b"#!"):
        _say("user data is no #! script: this init runs nothing else")
        return
    with Path("/var/log/cloud-init-output.log").open("ab") as output:
        subprocess.Popen([str(script)], stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/")


def _reap() -> dict[int, int]:
    """Pid → exit status of every child, adopted ones included, that has ended since the last call."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _go_down(status: int) -> None:
    _say("going down")
    Path("/run/host-ready").unlink(missing_ok=True)
    for service in reversed(_enabled()):
        _run([service, "stop"], seconds=10)
    _say("services are stopped")
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0)):
        try:
            os.kill(-1, number)  # all but PID 1
        except ProcessLookupError:
            break
        until = time.monotonic() + patience
        while time.monotonic() < until and _others():
            _reap()
            time.sleep(0.02)
    _say("reboot" if status == _REBOOT else "power off")
    os.sync()
    os._exit(status)


def _others() -> bool:
    return any(entry.name.isdigit() and entry.name != "1" for entry in Path("/proc").iterdir())


def _run(command: list[str], seconds: float = 60) -> None:
    """Run to its end, reaping all the while: a service's stop waits until its daemon is no longer even a zombie."""
    null = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    try:
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=null)
    except OSError as exc:
        _say(f"{' '.join(command)}: {exc}")
        return
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended = _reap()
        if pid in ended:
            if ended[pid]:
                _say(f"{' '.join(command)}: exit {ended[pid]}")
            return
        time.sleep(0.005)
    _say(f"{' '.join(command)}: not done after {seconds:.0f} s")


def _write(path: str, text: str, mode: int = 0o644) -> None:
    file = Path(path)
    file.write_text(text)
    file.chmod(mode)


def _say(line: str) -> None:
    sys.stdout.write(f"init {time.strftime('%H:%M:%S')}: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
