"""The one door to ansible-runner: a playbook in, a stream of typed task results out.

ansible-runner's handlers run in its own thread and only put into a queue. Each run has a private folder under
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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.playbooks.inventory import Inventory

__all__ = ["PlaybookOrder", "TaskResult", "play"]

_STATUS = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
_PERSIST_SECONDS = 20


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


def play(order: PlaybookOrder, cache: Path) -> Iterator[TaskResult]:
    """Run the playbook and yield results as they come. Changes the hosts unless ``check``.

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
        results: queue.Queue[TaskResult] = queue.Queue()
        complaints: list[str] = []
        cancelled = threading.Event()
        thread = _start(order, private, sockets, results, complaints, cancelled)
        stack.callback(thread.join)
        stack.callback(cancelled.set)
        while thread.is_alive() or not results.empty():
            try:
                yield results.get(timeout=0.1)
            except queue.Empty:
                continue
        if complaints:
            raise OpsError(f"Ansible gave up: {' '.join(complaints)[:1000]}")


def _start(
    order: PlaybookOrder,
    private: Path,
    sockets: Path,
    results: queue.Queue[TaskResult],
    complaints: list[str],
    cancelled: threading.Event,
) -> threading.Thread:
    import ansible_runner

    def handle(event: Mapping[str, Any]) -> bool:
        if (result := _read(event)) is not None:
            results.put(result)
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


def _read(event: Mapping[str, Any]) -> TaskResult | None:
    """The task result in an event of ansible-runner, or None for an event of another kind."""
    status = _STATUS.get(event["event"])
    if status is None:
        return None
    data = event["event_data"]
    if status == "failed" and data.get("ignore_errors"):
        return None
    result = data.get("res") or {}
    changed = status == "ok" and bool(result.get("changed"))
    return TaskResult(
        host=data["host"],
        task=data.get("task", ""),
        status="changed" if changed else status,
        message=_message(result) if status in ("failed", "unreachable") else "",
        items=_items(result) if changed else (),
    )


def _message(result: Mapping[str, Any]) -> str:
    parts = [str(result.get(name, "")).strip() for name in ("msg", "stderr")]
    for item in result.get("results", []):
        if item.get("failed"):
            parts.append(str(item.get("msg", "")).strip())
    return "; ".join(dict.fromkeys(part for part in parts if part)) or "no reason was given"


def _items(result: Mapping[str, Any]) -> tuple[str, ...]:
    rows = [row for row in result.get("results", [result]) if isinstance(row, Mapping) and row.get("changed")]
    names = (str(row.get("dest") or row.get("path") or row.get("name") or "") for row in rows)
    return tuple(dict.fromkeys(name for name in names if name))
