"""The hands of a patch cycle on the host: run there by sudo's Python over one SSH connection, standard library only.

Orders come as JSON lines on stdin, answers go as JSON lines to stdout. Everything that must not happen twice is
written down under /var/lib/ops/patch/RUN before it happens, and the package transaction runs detached: when the
controller dies it goes on, and the next controller finds it under way or done.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from quartermaster.playbooks.agent_packages import (
    APT,
    ENVIRONMENT,
    LIMITS,
    Trouble,
    bounded,
    complaint,
    dragged,
    execute,
    fetch,
    keep,
    patience,
    simulate,
    unasked,
    unsaved,
    update_lists,
    upgrade_words,
    versions,
)
from quartermaster.playbooks.agent_settled import note, unsettled

STATE = "/var/lib/ops/patch"
BUNDLE = "/opt/ops/bundles/current"
_WHILE_SERVING = ("survey", "drags", "save")
_GENTLY = 10
"""Added to the nice value for these orders: what the host serves goes first."""
_PLAIN = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1"}


def facts(names: Iterable[str] = (), **_: Any) -> dict[str, Any]:
    """What the host is like now. Read-only."""
    return {
        "boot_id": _read("/proc/sys/kernel/random/boot_id"),
        "clock": time.time(),
        "reboot_required": os.path.exists("/run/reboot-required"),
        "versions": versions(names),
    }


def survey(**_: Any) -> dict[str, Any]:
    """What could be upgraded, after reading the package lists again."""
    update_lists()
    updates = simulate(["--with-new-pkgs", "upgrade"])
    gone = unsaved([update for update in updates if update["old"]])
    bundle = os.path.basename(os.path.realpath(BUNDLE)) if os.path.exists(BUNDLE) else ""
    reboot_required = os.path.exists("/run/reboot-required")
    return {"updates": updates, "unsaved": gone, "reboot_required": reboot_required, "bundle": bundle}


def drags(pins: Mapping[str, str], **_: Any) -> dict[str, Any]:
    """What else the pinned versions would upgrade. Read-only."""
    return {"drags": dragged(pins)}


def save(run: str, pins: Mapping[str, str], **_: Any) -> dict[str, Any]:
    """Which packages the upgrade would change: their present .deb kept where it can be had, the new ones fetched."""
    folder = _folder(run)
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the agent of a controller that is gone may be at it still
        return _load(f"{folder}/saved.json") or _save(folder, pins)


def _save(folder: str, pins: Mapping[str, str]) -> dict[str, Any]:
    for old in glob.glob(f"{STATE}/*"):
        if old != folder:
            shutil.rmtree(old)
    try:
        changes = fetch(pins)
    except Trouble as exc:
        if "lock" in str(exc):  # it was waited for
            raise
        update_lists()
        changes = fetch(pins)
    os.makedirs(f"{folder}/debs", exist_ok=True)
    missing = keep(f"{folder}/debs", [change for change in changes if change["old"]])
    unasked(f"{folder}/apt.conf")
    note(folder, changes)
    return _store(f"{folder}/saved.json", {"changes": changes, "missing": missing})


def upgrade(run: str, pins: Mapping[str, str], **_: Any) -> dict[str, Any]:
    """Install exactly the pinned versions, once per run, however often it is asked."""
    folder = _folder(run)
    _once(folder, "upgrade", [*_apt(folder), *upgrade_words(pins)])
    saved = _load(f"{folder}/saved.json") or {"changes": []}
    found = versions({change["name"] for change in saved["changes"]} | set(pins))
    now = {name: found.get(name, "not installed") for name in pins}
    if wrong := [f"{name} is {now[name]} and not {pins[name]}" for name in pins if now[name] != pins[name]]:
        raise Trouble(f"not at the pinned version afterwards: {', '.join(wrong)}")
    return {"versions": found}


def rollback(run: str, **_: Any) -> dict[str, Any]:
    """Put the saved packages back and remove what the upgrade brought anew."""
    folder = _folder(run)
    saved = _load(f"{folder}/saved.json")
    if saved is None:
        raise Trouble("nothing was saved before the upgrade")
    if saved["missing"]:
        raise Trouble(f"the old package of {', '.join(saved['missing'])} could not be had any more")
    debs = sorted(glob.glob(f"{folder}/debs/*.deb"))
    if debs and os.path.exists(f"{folder}/upgrade.log") and _verdict(folder, "upgrade") != "0":
        # Their own scripts come first: those of the new version may be what never ends, and apt would run them again.
        execute(["dpkg", "--force-confdef", "--force-confold", "--unpack", *debs])
    _settle(folder)
    fresh = [f"{change['name']}-" for change in saved["changes"] if not change["old"]]
    if debs or fresh:
        _once(folder, "rollback", [*_apt(folder), "--allow-downgrades", "install", *debs, *fresh])
    return {"versions": versions(change["name"] for change in saved["changes"])}


def reboot(run: str, **_: Any) -> dict[str, Any]:
    """Reboot, once per run: asked again after it, only says so."""
    mark = f"{_folder(run)}/reboot.json"
    now = _read("/proc/sys/kernel/random/boot_id")
    asked = _load(mark)
    if asked and asked["boot_id"] != now:
        return {"boot_id": now, "done": True}
    _store(mark, {"boot_id": now})
    os.sync()
    command = "sleep 0.3; exec reboot || exec systemctl reboot"
    silent: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen(["sh", "-c", command], start_new_session=True, env=ENVIRONMENT, **silent)
    return {"boot_id": now, "done": False}


def converge(run: str = "", **_: Any) -> dict[str, Any]:
    """Apply the bundle that the host holds, as at boot; nothing where its upgrade moved nothing that roles manage."""
    why = unsettled(_folder(run), BUNDLE) if run else "it was asked to"
    if not why:
        return {"changed": 0, "settled": True}
    host, folder = _load("/etc/ops/host.json"), os.path.realpath(BUNDLE)
    if host is None or not os.path.exists(f"{folder}/site.yml"):
        raise Trouble("the host holds no bundle: it never converged")
    words = [word for name in ("cluster", "role") for word in ("-e", f"{name}={host[name]}")]
    book = ["ansible-playbook", "-i", "localhost,", "-c", "local", f"{folder}/site.yml", *words]
    done = execute(book, cwd=folder, extra={**_PLAIN, "ANSIBLE_TARGET_LOG_INFO": f"run={run}"}, limit="converge")
    if done.returncode == 124:
        raise Trouble(f"converge was not done after {LIMITS['converge']:.0f} s")
    if done.returncode != 0:
        fatal = [line for line in done.stdout.splitlines() if "fatal:" in line or "ERROR" in line]
        raise Trouble("converge failed: " + " ".join(" ".join(fatal or [done.stderr[-500:]]).split())[:1000])
    counted = re.search(r"changed=(\d+)", done.stdout)
    return {"changed": int(counted[1]) if counted else 0, "because": why}


def health(port: int, path: str, seconds: float, **_: Any) -> dict[str, Any]:
    """Wait until the service on this host answers 200; ``error`` says what it last met."""
    until = time.monotonic() + seconds
    while True:
        try:
            status = _status(port, path)
            if status == "200":
                return {"error": ""}
            error = f"answers {status}"
        except OSError as exc:
            error = str(exc)
        if time.monotonic() > until:
            return {"error": f"port {port}{path}: {error}"}
        time.sleep(0.2)


def _status(port: int, path: str) -> str:
    """HTTP status of the answer on this host; by hand, as a library for it takes longer to import than to ask."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        first = line.makefile("rb").readline(1000).decode(errors="replace").split()
    return first[1] if len(first) > 1 else "no status"


def _apt(folder: str) -> list[str]:
    """apt-get as the run has it, which waits for whoever holds its lock."""
    return [*APT, *(f"--config-file={path}" for path in glob.glob(f"{folder}/apt.conf")), patience()]


def _once(folder: str, name: str, command: list[str]) -> None:
    """Run a package command once per run, detached from us; asked again, wait for it and tell its verdict."""
    verdict, log = f"{folder}/{name}.rc", f"{folder}/{name}.log"
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held by the worker while it runs, also when whoever started it is gone
        if not os.path.exists(verdict):
            _settle(folder)
            os.dup2(lock.fileno(), 9, inheritable=True)
            script = 'v=$1; shift; "$@" 9>&-; echo $? > "$v.new"; sync "$v.new"; mv "$v.new" "$v"'
            with open(log, "ab") as out:
                streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
                worker = ["sh", "-c", script, "ops-patch", verdict, *bounded(command)]
                subprocess.run(
                    worker, start_new_session=True, env=ENVIRONMENT, cwd="/", pass_fds=(9,), check=False, **streams
                )
            os.close(9)
    code = _verdict(folder, name)
    if code == "124":
        raise Trouble(f"{name} was not done after {LIMITS['transaction']:.0f} s")
    if code != "0":
        raise Trouble(f"{name} failed ({code}): {complaint(_read(log))}")


def _settle(folder: str) -> None:
    """Finish what a lost or failed transaction left half configured."""
    for log in glob.glob(f"{folder}/*.log"):
        if _verdict(folder, os.path.basename(log)[:-4]) != "0":
            execute(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"])


def _verdict(folder: str, name: str) -> str:
    """Exit status of a command that ``_once`` ran; "killed" where it never came to one."""
    path = f"{folder}/{name}.rc"
    return _read(path) if os.path.exists(path) else "killed"


def _folder(run: str) -> str:
    folder = f"{STATE}/{os.path.basename(run)}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def _load(path: str) -> dict[str, Any] | None:
    return json.loads(_read(path)) if os.path.exists(path) else None


def _store(path: str, value: dict[str, Any]) -> dict[str, Any]:
    with open(f"{path}.new", "w") as out:
        json.dump(value, out)
        out.flush()
        os.fsync(out.fileno())
    os.replace(f"{path}.new", path)
    return value


def _read(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read().strip()


ORDERS: dict[str, Callable[..., dict[str, Any]]] = {
    order.__name__: order for order in (facts, survey, drags, save, upgrade, rollback, reboot, converge, health)
}


def main() -> None:
    """Answer orders until the connection ends; the host's log tells each that belongs to a run."""
    syslog.openlog("ops-patch")
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    for line in sys.stdin:
        order = json.loads(line)
        os.setpriority(os.PRIO_PROCESS, 0, usual + (_GENTLY if order["order"] in _WHILE_SERVING else 0))
        LIMITS.update(order.pop("limits", {}))
        if "run" in order:
            syslog.syslog(f"run={order['run']} {order['order']}")
        try:
            answer: dict[str, Any] = {"ok": ORDERS[order.pop("order")](**order)}
        except Trouble as exc:
            answer = {"trouble": str(exc)}
        except OSError as exc:
            answer = {"trouble": f"{type(exc).__name__}: {exc}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
