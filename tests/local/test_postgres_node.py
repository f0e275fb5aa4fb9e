"""Statements to a local database may hold passwords: none stands on a command line or in an error."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import physical
from quartermaster.infra.local import postgres
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.network import Attachment

LOGIN = "alter role \"shop\" password 'planted-secret'"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> postgres.Node:
    monkeypatch.setattr(postgres, "postgres_programs", lambda: Path("/usr/lib/postgresql/15/bin"))
    made = postgres.Node.__new__(postgres.Node)
    made.address, made.port, made.attachment = "10.0.0.5", 5432, Attachment("qm-db", "qmv0", "10.0.0.5")
    return made


def test_a_statement_goes_in_by_stdin(node: postgres.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        ran.append((command, options))
        return subprocess.CompletedProcess(command, 0, "ALTER ROLE\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert node.sql(LOGIN, user="shop", password="p") == "ALTER ROLE"
    ((command, options),) = ran
    assert "planted-secret" not in " ".join(command)
    assert options["input"] == LOGIN


def test_what_works_beside_a_server_dies_with_it(node: postgres.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.process, node._commands = None, set()
    monkeypatch.setattr(node, "_inside", lambda *words: ["sleep", "600"])
    with ThreadPoolExecutor() as pool:
        copying = pool.submit(node.run, "pg_basebackup")
        while not node._commands and not copying.done():
            time.sleep(0.01)
        node.cut()
        with pytest.raises(OpsError, match="pg_basebackup: ended with -9"):
            copying.result(timeout=60)
    assert not node._commands


@pytest.mark.parametrize("late", [False, True])
def test_no_error_tells_what_the_statement_held(
    node: postgres.Node, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        if late:
            raise subprocess.TimeoutExpired(command, 30)
        return subprocess.CompletedProcess(command, 3, "", "psql:<stdin>:1: ERROR:  role does not exist")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(OpsError, match=r"alter role … at 10\.0\.0\.5: ") as caught:
        node.sql(LOGIN, user="shop", password="p")
    assert "planted-secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_standby_of_the_longest_name_has_a_namespace_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = physical("a" * 24, "b" * 16, "c" * 24)
    monkeypatch.setattr(postgres.shutil, "chown", lambda *_: None)
    monkeypatch.setattr(postgres, "postgres_programs", lambda: tmp_path)
    world: Any = SimpleNamespace(home=tmp_path, ledger=SimpleNamespace(add=lambda *_: None))
    names: list[str] = []
    network: Any = SimpleNamespace(attach=lambda name, *_: names.append(name))
    for name in (longest, f"{longest}-standby"):
        postgres.Node(world, network, Any, name, "eu-west-1a", "10.0.0.5", 5432)  # type: ignore[arg-type]
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 48
    Authority.new().issue((f"{longest}.rds.internal",))
