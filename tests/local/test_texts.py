"""What users read of a local cloud that is gone, damaged or cannot do its work: message and remedy, whole."""

from __future__ import annotations

import io
import json
import os
import urllib.error
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.processes import process_started
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client, network, postgres
from quartermaster.infra.local.postgres_service import Service
from tests.reads import reads


def asked(folder: Path, call: Callable[[Workspace], object], *, pid: int = 0, endpoint: str = "") -> object:
    """The call, where the local cloud said of itself that it is this process at that endpoint."""
    workspace = Workspace(folder / "fleet.yaml")
    said = {
        "instance": "1f2e", "pid": pid or os.getpid(), "pid_started": process_started(pid or os.getpid()),
        "endpoint": endpoint or "http://127.0.0.1:9", "access_key": "a", "secret_key": "s",
    }  # fmt: skip
    fields = client.LocalCloud.__dataclass_fields__
    document = {name: said.get(name, "") for name in fields}
    (workspace.folder("local") / "daemon.json").write_text(json.dumps(document), encoding="utf-8")
    return call(workspace)


CASES: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], object], str]] = {
    "a local cloud that never ran": (
        lambda folder, _: client.fail_zone(Workspace(folder / "fleet.yaml"), "eu-west-1a"),
        "error: the local cloud is not running\n  remedy: ops local up\n",
    ),
    "a local cloud that is gone": (
        lambda folder, _: asked(folder, lambda there: client.ensure_running(there, "shop"), pid=2**22 + 1),
        "error: the local cloud of fleet 'shop' is gone (its process died or the machine restarted), and with it every "
        "resource it held\n  remedy: ops local reset\n",
    ),
    "a local cloud that does not answer": (
        lambda folder, _: asked(folder, lambda there: client.fail_zone(there, "eu-west-1a")),
        "error: the local cloud does not answer at http://127.0.0.1:9: <urlopen error [Errno 111] Connection refused>\n"
        "  remedy: ops local reset\n",
    ),
    "a local cloud whose word is damaged": (
        lambda folder, _: spoilt(folder),
        "error: {folder}/.ops/local/daemon.json is not what the local cloud wrote: Expecting value: line 1 column 1 "
        "(char 0)\n  remedy: delete it, then ops local down removes what it was about\n",
    ),
    "a package that is not there": (
        lambda folder, _: client.add_package(Workspace(folder / "fleet.yaml"), folder / "app.deb"),
        "error: no package file {folder}/app.deb\n  remedy: ops local packages add FILE.deb\n",
    ),
    "a local cloud that fails at its work": (
        lambda folder, monkeypatch: served(folder, monkeypatch),
        "error: the local cloud failed at zones/fail: disk full\n  remedy: see .ops/local/daemon.log\n",
    ),
    "a local cloud that dies as it starts": (
        lambda folder, monkeypatch: stillborn(folder, monkeypatch),
        "error: the local cloud did not start:\nNo module named moto\n  remedy: see .ops/local/daemon.log\n",
    ),
    "a machine on which no network can be made": (
        lambda folder, _: unprivileged(folder),
        "error: ip: Operation not permitted (link add br0 type bridge; link set br0 up)\n"
        "  remedy: root and iproute2 are needed\n",
    ),
    "a database that does not take its settings": (
        lambda folder, monkeypatch: unset(folder, monkeypatch),
        'error: PostgreSQL at 10.0.0.5 did not start: invalid value for parameter "work_mem": "lots"\n',
    ),
    "a restored database without the login": (
        lambda *_: logged_in(),
        "error: the restored server does not take the login shop\n",
    ),
}


def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    body = io.BytesIO(b'{"error": "disk full"}')
    failed = urllib.error.HTTPError("http://127.0.0.1:9", 500, "Internal Server Error", Message(), body)

    def answer(*_: object, **__: object) -> None:
        raise failed

    monkeypatch.setattr("urllib.request.OpenerDirector.open", answer)
    return asked(folder, lambda there: client.fail_zone(there, "eu-west-1a"))


def stillborn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    def popen(*_: object, stdout: Any, **__: object) -> object:
        stdout.write(b"No module named moto\n")
        return SimpleNamespace(poll=lambda: 1)

    monkeypatch.setattr("subprocess.Popen", popen)
    return client.ensure_running(Workspace(folder / "fleet.yaml"), "shop")


def unprivileged(folder: Path) -> object:
    (folder / "ip").write_text("#!/bin/sh\necho Operation not permitted >&2\nexit 1\n", encoding="utf-8")
    (folder / "ip").chmod(0o755)
    return network._ip("link add br0 type bridge", "link set br0 up")


def spoilt(folder: Path) -> object:
    workspace = Workspace(folder / "fleet.yaml")
    (workspace.folder("local") / "daemon.json").write_text("no word", encoding="utf-8")
    return client.running(workspace)


def unset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A server that ends as it reads its settings."""

    def popen(*_: object, stdout: Any, **__: object) -> object:
        stdout.write(b'2026-11-20 LOG: starting\n2026-11-20 FATAL:  invalid value for parameter "work_mem": "lots"\n')
        return SimpleNamespace(poll=lambda: 1)

    monkeypatch.setattr("subprocess.Popen", popen)
    monkeypatch.setattr(postgres.Node, "_inside", lambda *_: [])
    node = postgres.Node.__new__(postgres.Node)
    node.folder, node.address, node.port = folder, "10.0.0.5", 5432
    return node.start()


def logged_in() -> object:
    def refusing(statement: str) -> None:
        raise OpsError(f"psql: {statement}")

    service: Any = SimpleNamespace(ask=refusing, _node=SimpleNamespace(replication=("rdsrepladmin", "planted-secret")))
    return Service.log_in(service, "shop", "planted-secret")


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cause, text = CASES[case]
    reads(lambda: cause(tmp_path, monkeypatch), text.replace("{folder}", str(tmp_path)))
