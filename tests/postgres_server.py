"""A real PostgreSQL server for tests of what is kept in one."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from quartermaster.infra.setup.machine import postgres_programs

__all__ = ["PASSWORD", "Server", "running"]

PASSWORD = "hunter2-of-the-journal"


class Server:
    """A PostgreSQL server of this test run, asked for a password over TCP."""

    def __init__(self, home: Path) -> None:
        folder = postgres_programs()
        assert folder is not None
        self._folder, self._home = folder, home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (home / "password").write_text(PASSWORD)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            for path in (home, home / "password"):
                shutil.chown(path, "postgres", "postgres")
        login = ["-U", "ops", "--pwfile", str(home / "password"), "-A", "scram-sha-256"]
        self._run("initdb", "-D", str(home / "data"), *login, "--no-sync", "--locale=C.UTF-8")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", str(self._home / "data"), "-o", options, "-l", str(self._home / "log"), "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._home / "data"), "-m", "immediate", "-w", "stop")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://ops:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"journal_{secrets.token_hex(4)}"
        engine = sa.create_engine(
            self.url().replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as db:
            db.execute(sa.text(f"create database {name}"))
        engine.dispose()
        return self.url(name)

    def _run(self, program: str, *words: str) -> None:
        before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*before, self._folder / program, *words], check=True, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip


@contextmanager
def running() -> Iterator[Server]:
    """A server, gone with its folder afterwards."""
    home = Path(tempfile.mkdtemp(prefix="ops-postgres-"))
    server = Server(home)
    yield server
    server.stop()
    shutil.rmtree(home)
