"""One PostgreSQL server in a namespace of its own: the machine's binaries over a data folder of ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local.network import Attachment, Bridge, Network
from quartermaster.infra.local.world import World

__all__ = ["Node", "binaries", "settings"]

_HOME = "/var/lib/postgresql"
"""Where the data folder is seen inside: the machine's own place for it, so that the user may reach it."""


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL server on this machine, None without one. Read-only."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


def settings(address: str, port: int) -> dict[str, str]:
    """Server settings: replication on, nothing of the machine used but the data folder. Pure."""
    return {
        "listen_addresses": address,
        "port": str(port),
        "unix_socket_directories": "",
        "wal_level": "replica",
        "max_wal_senders": "8",
        "wal_keep_size": "128MB",
        "hot_standby": "on",
        "shared_buffers": "32MB",
        "max_connections": "60",
        "password_encryption": "scram-sha-256",
        # A standby that falls silent must not stop the primary for the kernel's two hours.
        "wal_sender_timeout": "10s",
        "wal_receiver_timeout": "10s",
    }


class Node:
    """A server: primary or following another one."""

    def __init__(self, world: World, network: Network, bridge: Bridge, name: str, address: str, port: int) -> None:
        self.address, self.port = address, port
        self._world, self._network, self._bridge = world, network, bridge
        self.folder = world.home / "databases" / name
        self.process: subprocess.Popen[bytes] | None = None
        self.plugged = True
        world.ledger.add("folder", str(self.folder))
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        shutil.chown(self.folder / "data", "postgres", "postgres")
        (self.folder / "data").chmod(0o700)
        self.attachment: Attachment = network.attach(f"db-{name}"[:48], bridge, address)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def create(self, user: str, password: str, database: str) -> None:
        """Initialise an empty server with ``user`` as its master and ``database``."""
        secret = self.folder / "data" / "password"
        secret.touch(mode=0o600)
        secret.write_text(password + "\n", encoding="utf-8")
        shutil.chown(secret, "postgres", "postgres")
        options = [f"--username={user}", f"--pwfile={_HOME}/password", "--auth=scram-sha-256", "--encoding=UTF8"]
        self._run("initdb", f"--pgdata={_HOME}/main", "--locale=C.UTF-8", "--no-sync", *options)
        secret.unlink()
        network = f"{self._bridge.address}/{self._bridge.prefix_length}"
        rules = "".join(f"host {what} all {network} scram-sha-256\n" for what in ("all", "replication"))
        with (self.folder / "data/main/pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(rules)
        if database and database != "postgres":
            single = ["postgres", "--single", "-D", f"{_HOME}/main", "postgres"]
            self._run(*single, text=f'CREATE DATABASE "{database}"\n')

    def follow(self, upstream: Node, user: str, password: str, name: str) -> None:
        """Copy the upstream and follow it as a streaming standby called ``name``."""
        line = f"host={upstream.address} port={upstream.port} user={user} application_name={name}"
        words = ["-D", f"{_HOME}/main", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-d", line]
        self._run("pg_basebackup", *words, password=password)

    def start(self) -> None:
        """Start the server; returns when it accepts connections or raises OpsError."""
        options = [word for pair in settings(self.address, self.port).items() for word in ("-c", "=".join(pair))]
        with (self.folder / "postgres.log").open("ab") as output:
            self.process = subprocess.Popen(
                self._inside("postgres", "-D", f"{_HOME}/main", *options),
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
        raise OpsError(f"PostgreSQL at {self.address} did not start", remedy=f"see {self.folder / 'postgres.log'}")

    def sql(self, statement: str, *, user: str, password: str) -> str:
        """What ``psql`` answers to a statement. Raises OpsError when it fails."""
        words = ["psql", "-h", self.address, "-p", str(self.port), "-U", user, "-d", "postgres", "-XAtqc", statement]
        done = subprocess.run(
            self._net(*words), capture_output=True, text=True, check=False, env=_environment(password), timeout=30
        )
        if done.returncode != 0:
            raise OpsError(f"{statement!r} at {self.address}: {done.stderr.strip()}")
        return done.stdout.strip()

    def plug(self, plugged: bool) -> None:
        """Connect or cut the server's interface."""
        if plugged != self.plugged:
            (self._network.restore if plugged else self._network.silence)(self.attachment)
            self.plugged = plugged

    def close(self) -> None:
        """Stop the server and remove all it has on this machine."""
        if self.process is not None:
            # unshare --kill-child: with it dies the namespace's PID 1, which is the server.
            os.killpg(self.process.pid, signal.SIGKILL) if self.alive else None
            self.process.wait()
            self.process = None
        self._network.detach(self.attachment)
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)
        self._world.ledger.remove("folder", str(self.folder))

    def _run(self, *command: str, text: str = "", password: str = "") -> None:
        done = subprocess.run(
            self._inside(*command),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(password),
        )
        if done.returncode != 0:
            raise OpsError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")

    def _net(self, tool: str, *words: str) -> list[str]:
        folder = binaries()
        assert folder is not None
        return ["nsenter", f"--net=/run/netns/{self.attachment.netns}", str(folder / tool), *words]

    def _inside(self, tool: str, *words: str) -> list[str]:
        """The command as user postgres in namespaces of its own, our data folder mounted over the machine's."""
        mounts = 'mount --bind "$0" "$1" && mount -t tmpfs -o mode=1777 none /dev/shm && shift && exec "$@"'
        spaces = ["unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation=private"]
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--bounding-set=-all"]
        folder = binaries()
        assert folder is not None
        act: Sequence[str] = [*user, str(folder / tool), *words]
        start = ["nsenter", f"--net=/run/netns/{self.attachment.netns}", *spaces]
        return [*start, "sh", "-c", mounts, str(self.folder / "data"), _HOME, *act]


def _environment(password: str = "") -> dict[str, str]:
    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"}
    return {**base, "PGPASSWORD": password} if password else base
