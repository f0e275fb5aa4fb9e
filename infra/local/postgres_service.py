"""RDS's own hands on a PostgreSQL server: a superuser that no client knows, and files that the server alone reads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local.pgbackrest import gist

if TYPE_CHECKING:
    from quartermaster.infra.local.postgres import Node

__all__ = ["SERVICE", "Service", "role"]

SERVICE = "rdsadmin"
_PASSWORD = secrets.token_urlsafe(24)
"""The same on every server of this cloud, as a restored one has the roles of its source."""
_RECOVERY_SECONDS = 300.0


def role() -> str:
    """The statement that makes the user. Pure."""
    return f"CREATE ROLE {SERVICE} SUPERUSER LOGIN PASSWORD '{_PASSWORD}'"


class Service:
    """A server, as RDS works on it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.port = node.port

    def put(self, name: str, text: str) -> None:
        """Write a file into its data folder that the server alone reads."""
        self._node.write(self._node.folder / "data" / name, text.encode())

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self._node.folder / "data" / name).exists()

    def remove(self, name: str) -> None:
        """Remove such a file, if it is there."""
        (self._node.folder / "data" / name).unlink(missing_ok=True)

    def run(self, *command: str) -> str:
        """What a command says that runs as the server's user, where the server is. Raises OpsError."""
        return self._node.run(*command, password=_PASSWORD)

    def ask(self, statement: str) -> str:
        """What the server answers to a statement. Raises OpsError."""
        return self._node.sql(statement, user=SERVICE, password=_PASSWORD)

    def alone(self) -> None:
        """Let commits wait for no standby: a restored server has none yet, whatever its source had."""
        file = self._node.folder / "data/main/postgresql.auto.conf"
        kept = [line for line in file.read_text().splitlines() if not line.startswith("synchronous_standby_names")]
        self.put("main/postgresql.auto.conf", "".join(f"{line}\n" for line in kept))

    def admit(self, cidrs: Sequence[str]) -> None:
        """Let in nobody but this machine and those of the ranges: what the instance's security groups say."""
        ours = ("127.0.0.1/32", f"{self._node.address}/32")
        rules = [f"host all all {where} scram-sha-256\n" for where in ours]
        rules += [f"hostssl all all {where} scram-sha-256\n" for where in (f"{self._node.gateway}/32", *cidrs)]
        rules.append(f"host replication {self._node.replication[0]} {self._node.network} scram-sha-256\n")
        self.put("main/pg_hba.conf", "".join(rules))

    def recovered(self) -> None:
        """Wait until all WAL that was asked for is replayed. Raises OpsError with the server's own reason."""
        until = time.monotonic() + _RECOVERY_SECONDS
        while time.monotonic() < until:
            try:
                if self.ask("select pg_is_in_recovery()") == "f":
                    return
            except OpsError:
                if not self._node.alive:
                    break
            time.sleep(0.2)
        raise OpsError(f"recovery: {gist(self._node.log())}")

    def log_in(self, user: str, password: str) -> None:
        """Let the logins be what RDS and this node take them for, whatever they were in the backup."""
        for name, word in ((user, password), self._node.replication):
            text = word.replace("'", "''")
            try:
                self.ask(f"alter role \"{name}\" password '{text}'")
            except OpsError:
                # Not from it, and not with its words: they hold the password.
                raise OpsError(f"the restored server does not take the login {name}") from None
