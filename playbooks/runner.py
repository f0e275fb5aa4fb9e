"""The one door to ansible-runner: a playbook in, a stream of typed task results out.

ansible-runner's handlers run in its own thread and only put into a queue: one that works there holds up the reading
of Ansible's output, until ansible-runner gives up (its issue 1343). Each run has a private folder under
``.ops/cache`` that is removed with it, artifacts included, so that nothing secret stays behind.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.playbooks.host_drift import HostDrift, drift_of, name_of, rows_of
from quartermaster.playbooks.inventory import Inventory

__all__ = ["HostEnded", "PlaybookOrder", "TaskResult", "TaskStarted", "play"]

_STATUS = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
_START = "playbook_on_task_start"
_STATS = "playbook_on_stats"
_PERSIST_SECONDS = 20


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The hosts come to a task."""

    task: str


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one task did on one host."""

    host: str
    task: str
    status: str
    """ok, changed, failed, unreachable or skipped."""
    message: str = ""
    """Why it failed or what could not be reached."""
    items: tuple[str, ...] = ()
    """Paths or names that changed, where the module tells."""
    drift: tuple[HostDrift, ...] = ()
    """With ``check``: what is not as the role says. A handler has none: it follows from what it was notified of."""


@dataclass(frozen=True, slots=True)
class HostEnded:
    """Ansible's own verdict on a host at the end: a task that failed and was rescued is no failure."""

    host: str
    failed: bool
    hidden: tuple[str, ...] = ()
    """Tasks that may have changed it without a word, as their output is hidden; empty when none has."""


@dataclass(frozen=True, slots=True)
class PlaybookOrder:
    """What to run where."""

    playbook: Path
    inventory: Inventory
    variables: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    """True: only tell what would change (``--check --diff``)."""
    run: str = ""
    """Id of the run: the hosts' own logs tell it in the line of every task."""
    forks: int = 10
    timeout_seconds: int = 1800


def play(order: PlaybookOrder, cache: Path) -> Iterator[TaskStarted | TaskResult | HostEnded]:
    """Run the playbook and yield what it tells as it comes. Changes the hosts unless ``check``.

    Closing the iterator early cancels the run. Raises MissingPart when ansible-playbook is not beside this Python,
    OpsError when Ansible itself gives up.
    """
    with ExitStack() as stack:
        private = Path(tempfile.mkdtemp(prefix="ansible-", dir=cache))
        stack.callback(shutil.rmtree, private, ignore_errors=True)
        # A socket's path may have 107 bytes: the cache may lie deep, so the sockets do not lie there.
        sockets = Path(tempfile.mkdtemp(prefix="ops-ssh-"))
        stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        stack.callback(_hang_up, sockets)
        events: queue.Queue[Mapping[str, Any]] = queue.Queue()
        reader = _Reader(order.check)
        complaints: list[str] = []
        cancelled = threading.Event()
        thread = _start(order, private, sockets, events, complaints, cancelled)
        stack.callback(thread.join)
        stack.callback(cancelled.set)
        while thread.is_alive() or not events.empty():
            try:
                event = events.get(timeout=0.1)
            except queue.Empty:
                continue
            yield from reader.read(event)
        if complaints:
            raise OpsError(
                f"Ansible gave up: {' '.join(complaints)[:1000]}",
                remedy="mend what it names; roles of your own lie under ansible.roles_path",
            )


def _start(
    order: PlaybookOrder,
    private: Path,
    sockets: Path,
    events: queue.Queue[Mapping[str, Any]],
    complaints: list[str],
    cancelled: threading.Event,
) -> threading.Thread:
    import ansible_runner

    def handle(event: Mapping[str, Any]) -> bool:
        if event["event"] in (*_STATUS, _START, _STATS):
            events.put(event)
        elif event["event"] in ("verbose", "error") and "ERROR" in event.get("stdout", ""):
            complaints.append(event["stdout"].strip())
        return False  # nothing is kept on disk

    thread, _ = ansible_runner.run_async(
        private_data_dir=str(private),
        playbook=str(order.playbook),
        project_dir=str(order.playbook.parent),
        inventory=str(order.inventory.write(private)),
        extravars=dict(order.variables),
        envvars=_environment(order, private, sockets),
        cmdline="--check --diff" if order.check else None,
        forks=order.forks,
        timeout=order.timeout_seconds,
        event_handler=handle,
        cancel_callback=cancelled.is_set,
        quiet=True,
        suppress_env_files=True,
    )
    return thread  # type: ignore[no-any-return]


def _environment(order: PlaybookOrder, private: Path, sockets: Path) -> dict[str, str]:
    beside = Path(sys.executable).parent
    if not (beside / "ansible-playbook").exists():
        raise MissingPart(f"ansible-playbook is not in {beside}", remedy="make setup, or pip install ansible-core")
    return {
        "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(_empty(private / "ansible.cfg")),
        "ANSIBLE_HOME": str(private / "home"),
        # Left to itself ansible-runner switches this off, and ssh then takes any key.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_TIMEOUT": "10",
        "ANSIBLE_INJECT_FACT_VARS": "0",
        "ANSIBLE_SSH_ARGS": f"-o ControlMaster=auto -o ControlPersist={_PERSIST_SECONDS}s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        "ANSIBLE_TARGET_LOG_INFO": f"run={order.run}" if order.run else "",
    }


def _empty(path: Path) -> Path:
    """An empty configuration: whatever the user's ansible.cfg says is not ours."""
    path.touch()
    return path


def _hang_up(sockets: Path) -> None:
    """End the shared SSH connections now; after a kill of this process they end by ControlPersist."""
    for socket in sockets.iterdir():
        command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "ops"]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


class _Reader:
    """Makes typed values of ansible-runner's events, in their order."""

    def __init__(self, check: bool) -> None:
        self._check = check
        self._handlers: set[str] = set()
        self._changed: Counter[str] = Counter()
        self._hidden: dict[str, list[str]] = defaultdict(list)
        """By host, the tasks that did not say whether they changed it."""

    def read(self, event: Mapping[str, Any]) -> Iterator[TaskStarted | TaskResult | HostEnded]:
        """What one event tells."""
        data = event["event_data"]
        if event["event"] == _START:
            if data.get("is_conditional"):  # ansible-runner's mark of a handler
                self._handlers.add(data["task_uuid"])
            yield TaskStarted(data.get("task", ""))
        elif event["event"] == _STATS:
            for host in data.get("processed", {}):
                silent = data["changed"].get(host, 0) > self._changed[host]
                failed = host in data["failures"] or host in data["dark"]
                yield HostEnded(host, failed, tuple(self._hidden[host]) if silent else ())
        elif not (event["event"] == "runner_on_failed" and data.get("ignore_errors")):
            yield self._result(_STATUS[event["event"]], data)

    def _result(self, status: str, data: Mapping[str, Any]) -> TaskResult:
        host, task, result = data["host"], data.get("task", ""), data.get("res") or {}
        changed = status == "ok" and bool(result.get("changed"))
        self._changed[host] += changed
        if "censored" in result:
            self._hidden[host].append(task)
        tells = changed and self._check and data.get("task_uuid") not in self._handlers
        return TaskResult(
            host=host,
            task=task,
            status="changed" if changed else status,
            message=_message(result) if status in ("failed", "unreachable") else "",
            items=tuple(dict.fromkeys(filter(None, map(name_of, rows_of(result))))) if changed else (),
            drift=drift_of(task, data.get("resolved_action", ""), result) if tells else (),
        )


def _message(result: Mapping[str, Any]) -> str:
    parts = [str(result.get(name, "")).strip() for name in ("msg", "stderr")]
    for item in result.get("results", []):
        if isinstance(item, Mapping) and item.get("failed"):
            parts.append(str(item.get("msg", "")).strip())
    return "; ".join(dict.fromkeys(part for part in parts if part)) or "no reason was given"
