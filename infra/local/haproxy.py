"""A running HAProxy in its own namespace: moved through its runtime API, and replaced where that cannot do."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from quartermaster.fleet.hosts import Requests
from quartermaster.infra.local import haproxy_servers
from quartermaster.infra.local.balancer import BalancerSpec, Health, Server
from quartermaster.infra.local.haproxy_config import certificate_name, config
from quartermaster.infra.local.network import Attachment, Network
from quartermaster.infra.local.world import World, log

__all__ = ["Balancer", "Haproxy"]


class Haproxy:
    """The processes of one balancer: one that serves, and older ones that finish what they have.

    ``folder`` is theirs alone; ``within`` is the command that starts others in the right namespace.
    """

    def __init__(self, folder: Path, within: Sequence[str] = ()) -> None:
        self._folder, self._within = folder, tuple(within)
        self._process: subprocess.Popen[bytes] | None = None
        self._old: list[subprocess.Popen[bytes]] = []
        self._running: BalancerSpec | None = None
        self._numbers = itertools.count()
        self._api = ""
        """Name of the serving process's socket in the folder."""
        self._healthy: dict[str, list[Server]] = {}
        self._before = (0, 0)
        """Counts of the processes before this one."""
        self._last = (0, 0)
        self._counting = threading.Lock()
        self.pool_requests: Mapping[str, int] = {}
        """Pool → requests of the running process, as of the last turn."""

    def step(self, spec: BalancerSpec, wanted: Mapping[str, Mapping[str, Server]]) -> dict[str, dict[str, Health]]:
        """Bring HAProxy to ``spec`` and its pools to ``wanted``; returns pool → server → health as found before."""
        if not spec.fronts:
            self.stop()
            return {}
        begins = self._alive is None or self._running != spec
        if begins:
            self._start(spec)
        stat = self._ask("show stat")
        if begins:
            self._forget()
        self._count(stat)
        self.pool_requests = haproxy_servers.pool_requests(stat)
        found = haproxy_servers.present(stat)
        for pool in spec.pools:
            servers, health = wanted.get(pool.name, {}), found.get(pool.name, {})
            commands = haproxy_servers.decide(pool, servers, health)
            if commands:
                self._say(spec.name, self._ask(";".join(commands)), commands)
            self._healthy[pool.name] = [
                server
                for name, server in servers.items()
                if not server.leaving and name in health and health[name].state == "up"
            ]
        return found

    def requests(self) -> Requests:
        """Finished and failed since the balancer exists, over all its processes."""
        latency_ms = None
        if self._alive is not None:
            stat = self._ask("show stat")
            self._count(stat)
            latency_ms = haproxy_servers.latency_ms(stat)
        with self._counting:
            return Requests(self._before[0] + self._last[0], self._before[1] + self._last[1], latency_ms)

    def host_requests(self) -> dict[str, int]:
        """Server → requests finished; one that comes anew, or to a new process, begins at nothing."""
        return haproxy_servers.server_requests(self._ask("show stat")) if self._alive is not None else {}

    @property
    def _alive(self) -> subprocess.Popen[bytes] | None:
        """The process that serves, while it does."""
        return self._process if self._process is not None and self._process.poll() is None else None

    def stop(self) -> None:
        """End all processes at once."""
        for process in [*self._old, *([self._process] if self._process else [])]:
            process.kill()
            process.wait()
        self._old, self._process, self._running, self._healthy = [], None, None, {}

    def _start(self, spec: BalancerSpec) -> None:
        """Start a process for ``spec``, which takes the listening sockets over from an older one: no connection is
        refused between the two, and the older one finishes what it has and ends."""
        old = self._alive
        if old is not None:
            self._count(self._ask("show stat"))
        handed, self._api = self._api, f"api{next(self._numbers)}"
        takes_over = ["-sf", str(old.pid), "-x", handed] if old is not None else []
        with self._listen() as opened:
            text = config(spec, socket_fd=opened.fileno(), serving=self._healthy if old is not None else {})
            (self._folder / "haproxy.cfg").write_text(text, encoding="utf-8")
            for front in spec.fronts:
                if front.tls is not None:
                    _write_secret(self._folder / certificate_name(front), front.tls.pem)
            with (self._folder / "haproxy.log").open("ab") as output:
                self._process = subprocess.Popen(
                    [*self._within, "haproxy", "-db", "-q", "-f", "haproxy.cfg", *takes_over],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[opened.fileno()],
                    start_new_session=True,
                    cwd=self._folder,
                )
        self._old = [process for process in self._old if process.poll() is None]
        if old is not None:
            self._old.append(old)
        with self._counting:
            self._before = (self._before[0] + self._last[0], self._before[1] + self._last[1])
            self._last = (0, 0)
        self._running = spec
        # It would give up each of them at its first failed check, however many the process before had seen pass.
        trusted = [(pool.name, server.id) for pool in spec.pools for server in self._healthy.get(pool.name, ())]
        if old is not None and trusted:
            self._ask(";".join(f"set server {pool}/{server} health up" for pool, server in trusted))
        log.info("balancer %s serves at %s with %s", spec.name, spec.url, ", ".join(p.algorithm for p in spec.pools))

    def _count(self, stat: str) -> None:
        with self._counting:
            self._last = haproxy_servers.counts(stat)

    def _listen(self) -> socket.socket:
        """The runtime API's socket, inherited by one process; bound through a descriptor, as paths are long.

        It is open before the process is: who asks waits for it rather than being answered by the one before.
        """
        path = self._folder / self._api
        path.unlink(missing_ok=True)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(self._folder, os.O_PATH)
        try:
            opened.bind(f"/proc/self/fd/{folder}/{self._api}")
        finally:
            os.close(folder)
        path.chmod(0o600)
        opened.listen(16)
        return opened

    def _forget(self) -> None:
        """Remove the sockets of processes before the one that serves: it answers, so it has taken over from them."""
        for path in self._folder.glob("api*"):
            if path.name != self._api:
                path.unlink()

    def _ask(self, command: str) -> str:
        folder = os.open(self._folder, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(10)
                line.connect(f"/proc/self/fd/{folder}/{self._api}")
                line.sendall(command.encode() + b"\n")
                parts = []
                while part := line.recv(65536):
                    parts.append(part)
        finally:
            os.close(folder)
        return b"".join(parts).decode(errors="replace")

    def _say(self, name: str, answer: str, commands: list[str]) -> None:
        told = [line for line in answer.splitlines() if line.strip() and "New server registered" not in line]
        told = [line for line in told if "Server deleted" not in line]
        log.info("balancer %s: %s%s", name, "; ".join(commands), f" -> {told}" if told else "")


class Balancer:
    """One load balancer on this machine: HAProxy with an address in each zone, on the VPC's bridge."""

    def __init__(self, world: World, network: Network, spec: BalancerSpec) -> None:
        self._world = world
        self._network = network
        self.spec = spec
        self._folder = world.home / "balancers" / spec.name
        world.ledger.add("folder", str(self._folder))
        self._folder.mkdir(parents=True, exist_ok=True)
        bridge = network.bridge(spec.vpc, spec.vpc_cidr)
        self.attachment: Attachment = network.attach(f"lb-{spec.name}"[:40], bridge, spec.address)
        network.allow_absent(self.attachment)
        self._plugged: set[str] = set()
        self._haproxy = Haproxy(self._folder, ["nsenter", f"--net=/run/netns/{self.attachment.netns}"])

    @property
    def pool_requests(self) -> Mapping[str, int]:
        """Pool → requests of the running process, as of the last turn."""
        return self._haproxy.pool_requests

    def step(self, spec: BalancerSpec, wanted: Mapping[str, Mapping[str, Server]]) -> dict[str, dict[str, Health]]:
        """Bring HAProxy to ``spec`` and its pools to ``wanted``; returns pool → server → health as found before."""
        self.spec = spec
        self._plug({address for zone, address in spec.legs if zone not in self._world.failed_zones})
        return self._haproxy.step(spec, wanted)

    def _plug(self, wanted: set[str]) -> None:
        """Let the legs answer, but those in zones that are cut off."""
        for address in self._plugged - wanted:
            self._network.withdraw(self.attachment, address)
        for address in wanted - self._plugged:
            self._network.lend(self.attachment, address)
        self._plugged = wanted

    def requests(self) -> Requests:
        """Finished and failed since the balancer exists."""
        return self._haproxy.requests()

    def host_requests(self) -> dict[str, int]:
        """Finished by each host, since it is there."""
        return self._haproxy.host_requests()

    def close(self) -> None:
        """Stop it and remove all it has on this machine."""
        self._haproxy.stop()
        self._network.detach(self.attachment)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._world.ledger.remove("folder", str(self._folder))


def _write_secret(path: Path, text: str) -> None:
    """A file that only its owner reads, also while it is written."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
