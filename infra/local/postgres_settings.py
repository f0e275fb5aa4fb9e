"""What a server of the local cloud is set to."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from quartermaster.infra.local.pgbackrest import HOME, archive_command
from quartermaster.infra.setup.machine import postgres_programs

__all__ = ["SETTINGS", "settings", "write_settings"]

SETTINGS = "fleet.conf"
"""The file beside a server's own settings that holds what its parameter group asks for."""


def settings(port: int) -> dict[str, str]:
    """Server settings: replication and TLS on, nothing of the machine used but the data folder. Pure."""
    return {
        "listen_addresses": "*",  # of the namespace's own: the address moves to the standby in a failover
        "port": str(port),
        "unix_socket_directories": "",
        "wal_level": "replica",
        "archive_mode": "on",
        "archive_command": archive_command(),
        "max_wal_senders": "8",
        "wal_keep_size": "128MB",
        "hot_standby": "on",
        "shared_buffers": "32MB",
        "ssl": "on",
        "ssl_cert_file": f"{HOME}/server.pem",
        "ssl_key_file": f"{HOME}/server.key",
        "password_encryption": "scram-sha-256",
        # A standby that falls silent must not stop the primary for the kernel's two hours.
        "wal_sender_timeout": "10s",
        "wal_receiver_timeout": "10s",
    }


@cache
def _known() -> frozenset[str]:
    """The settings that this machine's PostgreSQL has."""
    folder = postgres_programs()
    if folder is None:
        return frozenset()
    told = subprocess.run([folder / "postgres", "--describe-config"], capture_output=True, text=True, check=True)
    return frozenset(line.split("\t", 1)[0] for line in told.stdout.splitlines())


def write_settings(folder: Path, asked: Mapping[str, str]) -> tuple[str, ...]:
    """Write what a parameter group asks for beside the server's own settings; the names that are applied.

    Not applied: what this PostgreSQL does not know (RDS's own, another major's), what this machine needs otherwise, and
    formulas of an instance's memory.
    """
    free = asked.keys() & _known() - settings(0).keys()
    applied = {name: asked[name] for name in sorted(free) if "{" not in asked[name]}
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in applied.items()]
    (folder / SETTINGS).write_text("".join(["max_connections = '60'\n", *lines]), encoding="utf-8")
    return tuple(applied)
