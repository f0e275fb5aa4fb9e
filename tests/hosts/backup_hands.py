"""What is typed and asked of the database that is backed up: as people do, as a host on AWS does, and killed."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.write_probe import Login
from quartermaster.infra.local import client
from quartermaster.runbooks.restorer import Asking
from quartermaster.runbooks.runner import program
from tests.hosts.backup_database import BackedUp
from tests.hosts.local_cluster import wait


def ops(database: BackedUp, *words: str) -> list[str]:
    """``ops`` as it is typed."""
    program = str(Path(sys.executable).with_name("ops"))
    return [program, *words, "--yes", "--json", "--fleet", str(database.workspace.fleet_file)]


def by_the_runners_program(database: BackedUp) -> Asking:
    """Asks by the very command that a host on aws is sent, run here: it reads the password from the secret."""
    environment = {**os.environ, **client.environment(database.workspace, "eu-west-1")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"  # its boto3 is ours

    def ask_(name: str, to: Login, statement: str, *, seconds: float) -> str:
        command = program("eu-west-1", f"shop/dev/{name}", replace(to, password="unknown"), statement)
        words = ["bash", "-c", command]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=seconds)
        if done.returncode:
            raise OpsError(done.stderr)
        return done.stdout.strip()

    return ask_


def by_program(database: BackedUp, to: Login, sql: str) -> str:
    return by_the_runners_program(database)("orders", to, sql, seconds=30)


def over(database: BackedUp, to: datetime) -> list[str]:
    words = ["backup", "restore", "orders", "--over-original", "--again", "orders", "--to", to.isoformat()]
    return ops(database, *words)


def mistaken(database: BackedUp) -> datetime:
    """The instant before somebody emptied a table by mistake, and others went on."""
    database.sql("create table names (name text); insert into names values ('Ada')")
    before = database.archived()
    database.sql("truncate names; insert into names values ('Bob')")
    database.archived()
    return before


def answering(database: BackedUp) -> bool:
    with suppress(OpsError):  # sent away as the names change
        return database.sql("select count(*) from orders") == "1000"
    return False


def killed_amid(database: BackedUp, words: list[str], after: str) -> None:
    """Begin it, and kill it soon after the journal has that line: in the middle of what the line announces."""
    journal = Journal.open(database.workspace.database)
    before = {row.id for row in journal.runs("backup")}

    def told() -> list[str]:
        new = [row.id for row in journal.runs("backup") if row.id not in before]
        return [f"{one.event.kind} {one.event.step}" for run in new for one in journal.events(run)]

    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        wait(lambda: after in told())
        os.kill(child.pid, 9)


def other_key(content: bytes) -> bytes:
    """As if the passphrase were another one: pgBackRest encrypts as ``openssl enc`` does."""
    words = ["openssl", "enc", "-aes-256-cbc", "-md", "sha1", "-pass", "pass:another"]
    return subprocess.run(words, input=content, capture_output=True, check=True).stdout


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 255 for byte in content[middle : middle + 64]) + content[middle + 64 :]
