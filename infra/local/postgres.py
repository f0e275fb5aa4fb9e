"""One PostgreSQL server in a namespace of its own: the machine's binaries over a data folder of ours."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import limited
from quartermaster.infra.local.network import Attachment, Bridge, Network
from quartermaster.infra.local.pgbackrest import HOME, gist
from quartermaster.infra.local.postgres_service import role
from quartermaster.infra.local.postgres_settings import SETTINGS, settings, write_settings
from quartermaster.infra.local.world import World
from quartermaster.infra.setup.machine import postgres_programs

__all__ = ["Node"]

_REPLICATION = "rdsrepladmin"
"""Standbys follow as this user, as RDS's do: a login that is rotated does not cut them off."""
_STOP_SECONDS = 60.0
_ANSWER_SECONDS = 3
"""Long: a busy machine is no dead server."""


class Node:
    """A server: primary or following another one."""

    def __init__(
        self, world: World, network: Network, bridge: Bridge, name: str, zone: str, address: str, port: int
    ) -> None:
        self.zone, self.address, self.port = zone, address, port
        self._world, self._network, self._bridge = world, network, bridge
        self.folder = world.home / "databases" / name
        self.process: subprocess.Popen[bytes] | None = None
        self._commands: set[subprocess.Popen[str]] = set()
        """At work beside the server."""
        self.applied: tuple[str, ...] = ()
        """Names of the parameter group's settings that this server has."""
        self._replication = secrets.token_urlsafe(24)
        self.plugged = self.powered = True
        world.ledger.add("folder", str(self.folder))
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        shutil.chown(self.folder / "data", "postgres", "postgres")
        (self.folder / "data").chmod(0o700)
        self.attachment: Attachment = network.attach(limited(f"db-{name}", 48), bridge, address)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def answers(self) -> bool:
        """Whether clients on this machine get through to the server, and it accepts them. Read-only."""
        if not (self.alive and self.plugged):
            return False
        ready = [_program("pg_isready"), "-h", self.address, "-p", str(self.port), "-q", "-t", str(_ANSWER_SECONDS)]
        return subprocess.run(ready, capture_output=True, check=False, env=_environment()).returncode == 0

    def create(self, user: str, password: str, database: str, *, tls_only: bool) -> None:
        """Initialise an empty server with ``user`` as its master and ``database``."""
        secret = self.folder / "data" / "password"
        self.write(secret, f"{password}\n".encode())
        options = [f"--username={user}", f"--pwfile={HOME}/password", "--auth=scram-sha-256", "--encoding=UTF8"]
        self.run("initdb", f"--pgdata={HOME}/main", "--locale=C.UTF-8", "--data-checksums", "--no-sync", *options)
        secret.unlink()
        kind = "hostssl" if tls_only else "host"
        rules = "".join(f"{kind} {what} all {self.network} scram-sha-256\n" for what in ("all", "replication"))
        with (self.folder / "data/main/pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(rules)
        with (self.folder / "data/main/postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"include_if_exists '{SETTINGS}'\n")
        lines = [f"CREATE ROLE {_REPLICATION} REPLICATION LOGIN PASSWORD '{self._replication}'", role()]
        if database and database != "postgres":
            lines.append(f'CREATE DATABASE "{database}"')
        self.run("postgres", "--single", "-D", f"{HOME}/main", "postgres", text="".join(f"{it}\n" for it in lines))

    def certify(self, certificate: bytes, key: bytes) -> None:
        """Give the server the certificate that it speaks TLS with."""
        self.write(self.folder / "data/server.pem", certificate)
        self.write(self.folder / "data/server.key", key)

    def follow(self, upstream: Node, name: str) -> None:
        """Copy the upstream and follow it as a streaming standby called ``name``."""
        self._replication = upstream._replication
        line = f"host={upstream.address} port={upstream.port} user={_REPLICATION} application_name={name}"
        words = ["-D", f"{HOME}/main", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-d", line]
        self.run("pg_basebackup", *words, password=self._replication)

    def set(self, asked: Mapping[str, str]) -> None:
        """Write the settings of a parameter group; what is read at the start only waits for it."""
        main = self.folder / "data/main"
        self.applied = write_settings(main, asked)
        shutil.chown(main / SETTINGS, "postgres", "postgres")

    def start(self) -> None:
        """Start the server; returns when it accepts connections or raises OpsError."""
        self.powered = True
        options = [word for pair in settings(self.port).items() for word in ("-c", "=".join(pair))]
        with (self.folder / "postgres.log").open("ab") as output:
            self.process = subprocess.Popen(
                self._inside("postgres", "-D", f"{HOME}/main", *options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                env=_environment(),
            )
        until = time.monotonic() + 60
        while self.alive and time.monotonic() < until:
            ready = ["pg_isready", "-h", self.address, "-p", str(self.port), "-q"]
            if subprocess.run(self._net(*ready), capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise OpsError(f"PostgreSQL at {self.address} did not start: {gist(self.log())}")

    def sql(self, statement: str, *, user: str, password: str) -> str:
        """What ``psql`` answers to a statement. Raises OpsError when it fails, which does not tell the statement whole.

        A statement may hold a password: it stands on no command line, and in no error.
        """
        place = ["-h", self.address, "-p", str(self.port), "-U", user, "-d", "postgres"]
        command = self._net("psql", *place, "-XAtq", "-v", "VERBOSITY=terse", "-v", "ON_ERROR_STOP=1", "-f", "-")
        shown = f"{' '.join(statement.split()[:2])} … at {self.address}"
        try:
            done = subprocess.run(
                command, input=statement, capture_output=True, text=True, check=False, timeout=30,
                env=_environment(password),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise OpsError(f"{shown}: no answer for 30 s") from None  # the cause tells all of the command
        if done.returncode != 0:
            raise OpsError(f"{shown}: {done.stderr.strip()}")
        return done.stdout.strip()

    def plug(self, plugged: bool) -> None:
        """Connect or cut the server's interface; without power it stays cut."""
        plugged &= self.powered
        if plugged != self.plugged:
            (self._network.restore if plugged else self._network.silence)(self.attachment)
            self.plugged = plugged

    def lose_power(self) -> None:
        """Let the server's host die where it is: its address falls silent, too."""
        self.powered = False
        self.plug(False)
        self.cut()

    def repair(self) -> None:
        """Give the server a host again, connected, nothing started on it."""
        self.powered = True
        self.plug(True)

    def stop(self) -> None:
        """Shut the server down in order: clients are cut off, all that was committed is on disk."""
        if self.process is not None and self.alive:
            # The process is unshare; its only child, PID 1 of the namespace, is the server.
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGINT)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.cut()

    def cut(self) -> None:
        """Take the server's power: it dies where it is, and with it what works beside it."""
        for command in list(self._commands):
            command.kill()
        process, self.process = self.process, None
        if process is not None:
            # unshare --kill-child: with it dies the namespace's PID 1, which is the server.
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            process.wait()

    def strip(self) -> None:
        """Take the server's address away: whoever calls it there hears nothing."""
        self._network.strip(self.attachment)

    def move(self, address: str) -> None:
        """Give the server another address, free by now."""
        self.attachment = self._network.readdress(self.attachment, self._bridge, address)
        self.address = address

    def empty(self) -> None:
        """Drop what the server holds, so that it can follow another one from the start."""
        subprocess.run(["rm", "-rf", str(self.folder / "data/main")], check=True)

    def close(self) -> None:
        """Stop the server and remove all it has on this machine."""
        self.cut()
        self._network.detach(self.attachment)
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)
        self._world.ledger.remove("folder", str(self.folder))

    @staticmethod
    def write(path: Path, content: bytes) -> None:
        """A file that the server alone reads."""
        path.touch(mode=0o600)
        path.write_bytes(content)
        shutil.chown(path, "postgres", "postgres")

    def run(self, *command: str, text: str = "", password: str = "") -> str:
        """What a command says that runs as the server's user, where the server is. Raises OpsError when it fails."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self._inside(*command),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            errors="replace",  # of a damaged backup a tool may print anything
            cwd="/",
            env=_environment(password),
        ) as process:
            self._commands.add(process)
            try:
                said, error = process.communicate(text)
            finally:
                self._commands.discard(process)
        if process.returncode != 0:
            raise OpsError(f"{command[0]}: {error.strip() or said.strip() or f'ended with {process.returncode}'}")
        return said

    def log(self) -> str:
        """What the server said since it was made."""
        return (self.folder / "postgres.log").read_text(errors="replace")

    @property
    def gateway(self) -> str:
        """The address by which this machine is seen there."""
        return self._bridge.address

    @property
    def network(self) -> str:
        """Where its standby is, as a CIDR."""
        return f"{self._bridge.address}/{self._bridge.prefix_length}"

    @property
    def replication(self) -> tuple[str, str]:
        """Login of those that follow it."""
        return _REPLICATION, self._replication

    def _net(self, tool: str, *words: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.attachment.netns}", _program(tool), *words]

    def _inside(self, tool: str, *words: str) -> list[str]:
        """The command as user postgres in namespaces of its own, our data folder mounted over the machine's."""
        mounts = 'mount --bind "$0" "$1" && mount -t tmpfs -o mode=1777 none /dev/shm && shift && exec "$@"'
        spaces = ["unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation=private"]
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--bounding-set=-all"]
        start = ["nsenter", f"--net=/run/netns/{self.attachment.netns}", *spaces]
        return [*start, "sh", "-c", mounts, str(self.folder / "data"), HOME, *user, _program(tool), *words]


def _program(name: str) -> str:
    """The path of one of PostgreSQL's programs. Raises OpsError where this machine has none."""
    folder = postgres_programs()
    if folder is None:
        raise OpsError("this machine has no PostgreSQL", remedy="ops setup")
    return str(folder / name)


def _environment(password: str = "") -> dict[str, str]:
    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"}
    return {**base, "PGHOST": "127.0.0.1", "PGPASSWORD": password} if password else base
