"""pgBackRest, run where a database's server lives: it archives WAL, takes base backups and restores them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from quartermaster.fleet.errors import OpsError

__all__ = [
    "CONFIG",
    "HOME",
    "SOURCE",
    "Repository",
    "Server",
    "Taken",
    "archive_command",
    "backup",
    "create",
    "drop",
    "gist",
    "listed",
    "restore",
    "restore_words",
]

HOME = "/var/lib/postgresql"
"""Where a server's data folder is seen inside: the machine's own place for it, so that the user may reach it."""
_PROGRAM = "/usr/bin/pgbackrest"
_STANZA = "db"
CONFIG = "pgbackrest.conf"
"""Of the server's own backups, in its data folder."""
SOURCE = "restore.conf"
"""Of the backups that it is made from."""


class Server(Protocol):
    """What of a PostgreSQL server is needed."""

    port: int

    def put(self, name: str, text: str) -> None:
        """Write a file into its data folder that the server alone reads."""
        ...

    def run(self, *command: str) -> str:
        """What a command says that runs as the server's user, where the server is. Raises OpsError."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A base backup as pgBackRest tells of it."""

    label: str
    started_at: datetime
    ended_at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the backups of one database lie."""

    host: str
    port: int
    authority: str
    """Certificate that the object store's is signed with, PEM."""
    bucket: str
    region: str
    resource: str
    key: str
    secret: str
    passphrase: str
    """Encrypts what is stored, before it leaves the server."""

    def text(self, server_port: int, user: str) -> str:
        """pgBackRest's configuration for a server. Pure."""
        settings = {
            "repo1-type": "s3",
            "repo1-s3-endpoint": self.host,
            "repo1-storage-port": self.port,
            "repo1-storage-ca-file": f"{HOME}/authority.pem",
            "repo1-s3-bucket": self.bucket,
            "repo1-s3-region": self.region,
            "repo1-s3-uri-style": "path",
            "repo1-s3-key": self.key,
            "repo1-s3-key-secret": self.secret,
            "repo1-path": f"/{self.resource}",
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-cipher-pass": self.passphrase,
            "repo1-bundle": "y",  # thousands of small files would be thousands of requests
            "repo1-retention-full": 9999999,  # what is dropped, RDS's rules decide
            "compress-type": "lz4",
            "start-fast": "y",
            "archive-timeout": 60,
            "io-timeout": 20,
            "job-retry": 0,  # what is damaged stays so
            "protocol-timeout": 300,
            "lock-path": f"{HOME}/lock",
            "spool-path": f"{HOME}/spool",
            "log-level-file": "off",
            "log-level-console": "warn",
            "log-level-stderr": "off",
        }
        own = {"pg1-path": f"{HOME}/main", "pg1-port": server_port, "pg1-user": user}
        lines = ["[global]", *(f"{name}={value}" for name, value in settings.items()), f"[{_STANZA}]"]
        return "\n".join([*lines, *(f"{name}={value}" for name, value in own.items()), ""])

    def write(self, server: Server, file: str, user: str) -> None:
        """Put the configuration where the server is."""
        server.put("authority.pem", self.authority)
        server.put(file, self.text(server.port, user))


def archive_command() -> str:
    """The server's ``archive_command``: without a configuration there are no backups, and WAL is let go. Pure."""
    config = f"{HOME}/{CONFIG}"
    return f"test ! -f {config} || {_PROGRAM} --config={config} --stanza={_STANZA} archive-push %p"


def create(server: Server) -> None:
    """Make the repository ready. Done twice is done once."""
    _do(server, "stanza-create")


def backup(server: Server) -> Taken:
    """Take a full base backup, and wait for the WAL that it needs."""
    _do(server, "backup", "--type=full")
    return listed(server)[-1]


def listed(server: Server) -> list[Taken]:
    """The base backups, oldest first. Read-only."""
    said = json.loads(_do(server, "info", "--output=json"))
    return [_taken(row) for row in said[0].get("backup", [])]


def drop(server: Server, label: str) -> None:
    """Remove a base backup, and the WAL that only it needed. One that is gone is no fault."""
    if label in [taken.label for taken in listed(server)]:
        _do(server, "expire", f"--set={label}")


def restore(server: Server, *, label: str, to: datetime | None) -> None:
    """Fill the server's empty folder; it replays WAL when it starts. Every file is checked against its checksum."""
    _do(server, "restore", *restore_words(label=label, to=to), config=SOURCE)


def restore_words(*, label: str, to: datetime | None) -> list[str]:
    """Options of a restore of a snapshot, or to a time. Pure.

    With a target the server refuses to serve when WAL ends before it; it never serves less than was asked for.
    """
    if label:
        return [f"--set={label}", "--type=immediate", "--target-action=promote"]
    assert to is not None
    return ["--type=time", f"--target={to.astimezone(UTC):%F %T.%f}+00", "--target-action=promote"]


def _do(server: Server, command: str, *words: str, config: str = CONFIG) -> str:
    try:
        return server.run(_PROGRAM, f"--config={HOME}/{config}", f"--stanza={_STANZA}", command, *words)
    except OpsError as exc:
        raise OpsError(f"pgBackRest's {command}: {gist(exc.message)}") from exc


def gist(said: str) -> str:
    """The errors of pgBackRest and PostgreSQL in what they said, each once; all of it where there are none. Pure."""
    lines = re.findall(r"(?:ERROR: \[\d+\]|WARN|FATAL|PANIC): +(.*)", said)
    # Of clients that came too early, among them ourselves.
    errors = [line for line in lines if not line.startswith("the database system is ")]
    return "; ".join(dict.fromkeys(errors)) or said.strip()


def _taken(row: Mapping[str, object]) -> Taken:
    times, info = row["timestamp"], row["info"]
    assert isinstance(times, dict) and isinstance(info, dict)
    return Taken(
        str(row["label"]),
        datetime.fromtimestamp(times["start"], UTC),
        # It tells whole seconds, and restores to no instant of the last one.
        datetime.fromtimestamp(times["stop"] + 1, UTC),
        int(info["size"]),
    )
