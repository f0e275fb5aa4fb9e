"""What Ansible itself tells, as typed values: real runs, on this machine or at hosts that do not answer."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet.events import StepFailed, StepFinished
from quartermaster.playbooks import configure
from quartermaster.playbooks.bundle import Bundle
from quartermaster.playbooks.host_drift import HostDrift
from quartermaster.playbooks.inventory import Inventory, SshFacts, Target
from quartermaster.playbooks.runner import HostEnded, PlaybookOrder, TaskResult, play

pytestmark = pytest.mark.slow

HERE = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}


def inventory(folder: Path, *addresses: str) -> Inventory:
    targets = tuple(Target(f"i-{n}", "web", "web", "eu-west-1a", address) for n, address in enumerate(addresses))
    return Inventory(targets, SshFacts(folder / "key", folder / "known"))


def told(folder: Path, tasks: list[dict[str, Any]], *, check: bool, handlers: list[Any] | None = None) -> list[Any]:
    """What a play of these tasks on this machine tells."""
    book = folder / "book.yml"
    play_of = {"hosts": "all", "gather_facts": False, "tasks": tasks, "handlers": handlers or []}
    book.write_text(json.dumps([play_of]))
    return list(play(PlaybookOrder(book, inventory(folder, "here"), HERE, check=check), folder))


def copy(path: Path, content: str, **more: Any) -> dict[str, Any]:
    return {"name": f"write {path.name}", "ansible.builtin.copy": {"dest": str(path), "content": content}, **more}


def test_a_check_tells_each_file_with_its_diff_and_changes_none(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text("one\ntwo\n")
    tasks = [copy(file, "one\n2\n", notify="reload"), copy(tmp_path / "new", "a\n")]
    handlers = [{"name": "reload", "ansible.builtin.debug": {"msg": "hi"}, "changed_when": True}]
    results = [said for said in told(tmp_path, tasks, check=True, handlers=handlers) if isinstance(said, TaskResult)]
    drift = {row.name: row for result in results for row in result.drift}
    assert set(drift) == {str(file), str(tmp_path / "new")}, "a handler is no drift"
    changed = drift[str(file)]
    assert (changed.kind, changed.found, changed.expected) == ("file", "1 line of its own", "1 line that it lacks")
    assert changed.diff.splitlines()[-2:] == ["-two", "+2"]
    assert drift[str(tmp_path / "new")].found == "absent or empty"
    assert file.read_text() == "one\ntwo\n"


def test_what_a_task_hides_is_counted_and_its_content_stays_out(tmp_path: Path) -> None:
    secret = "hunter2"
    tasks = [copy(tmp_path / "a", secret, no_log=True), copy(tmp_path / "b", secret, diff=False)]
    found = told(tmp_path, tasks, check=True)
    assert secret not in repr(found)
    (end,) = [said for said in found if isinstance(said, HostEnded)]
    assert (end.failed, end.hidden) == (False, ("write a",))
    assert [row for said in found if isinstance(said, TaskResult) for row in said.drift] == [
        HostDrift("file", str(tmp_path / "b"), "differs", "as the role says", task="write b")
    ]


def test_a_task_that_is_rescued_is_no_failure_of_the_host(tmp_path: Path) -> None:
    fail = {"name": "try", "ansible.builtin.fail": {"msg": "no"}}
    rescue = {"block": [fail], "rescue": [copy(tmp_path / "a", "b")]}
    ends = [said for said in told(tmp_path, [rescue], check=False) if isinstance(said, HostEnded)]
    assert ends == [HostEnded("i-0", failed=False)]
    ends = [said for said in told(tmp_path, [fail], check=False) if isinstance(said, HostEnded)]
    assert ends == [HostEnded("i-0", failed=True)]


def test_ansible_lets_ssh_refuse_a_host_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ansible-runner would have it take any; of options given twice ssh takes the first."""
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/told\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    book = tmp_path / "book.yml"
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}]))
    there = inventory(tmp_path, "10.0.0.1")
    list(play(PlaybookOrder(book, there), tmp_path))
    words = (tmp_path / "told").read_text().splitlines()
    first = {name: next(word for word in words if word.startswith(name)) for name in ("StrictHost", "UserKnownHosts")}
    assert first == {
        "StrictHost": "StrictHostKeyChecking=yes",
        "UserKnownHosts": f'UserKnownHostsFile="{there.ssh.keys_of("i-0")}"',
    }


def test_many_hosts_that_refuse_are_each_told_and_hold_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    bundle = Bundle(b"", "site")
    (tmp_path / "site/site.yml").write_text(json.dumps([{"hosts": "all", "tasks": []}]))
    there = inventory(tmp_path, *(f"127.99.0.{n}" for n in range(1, 41)))
    begun = time.monotonic()
    events = list(configure.apply(configure.plan(there, bundle, bucket="", check=True), cache=tmp_path))
    result = configure.outcome(events)
    assert time.monotonic() - begun < 60
    assert {(host.reason, bool(host.error)) for host in result.hosts} == {("refused", True)}, [
        host.error for host in result.hosts if host.reason != "refused"
    ]
    assert len(result.hosts) == len(result.failed) == 40
    assert not [event for event in events if isinstance(event, StepFinished)]
    assert len([event for event in events if isinstance(event, StepFailed)]) == 40, "each host once"
