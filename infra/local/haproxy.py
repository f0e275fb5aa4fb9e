"""A running HAProxy in its own namespace: started once, then moved through its runtime API."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from quartermaster.infra.local import balancer
from quartermaster.infra.local.balancer import BalancerSpec, Health, Server
from quartermaster.infra.local.network import Attachment, Network
from quartermaster.infra.local.world import World, log

__all__ = ["Balancer"]


class Balancer:
    """One load balancer on this machine."""

    def __init__(self, world: World, network: Network, spec: BalancerSpec) -> None:
        self._world = world
        self._network = network
        self.spec = spec
        self._folder = world.home / "balancers" / spec.name
        world.ledger.add("folder", str(self._folder))
        self._folder.mkdir(parents=True, exist_ok=True)
        bridge = network.bridge(spec.vpc, spec.vpc_cidr)
        self.attachment: Attachment = network.attach(f"lb-{spec.name}"[:40], bridge, spec.address)
        self._socket = self._listen()
        self._process: subprocess.Popen[bytes] | None = None
        self._old: list[subprocess.Popen[bytes]] = []
        self._running: BalancerSpec | None = None
        self._before = (0, 0)
        """Counts of the processes before this one."""
        self._last = (0, 0)
        self._counting = threading.Lock()
        self.pool_requests: Mapping[str, int] = {}
        """Pool → requests of the running process, as of the last turn."""

    def step(self, spec: BalancerSpec, wanted: Mapping[str, Mapping[str, Server]]) -> dict[str, dict[str, Health]]:
        """Bring HAProxy to ``spec`` and its pools to ``wanted``; returns pool → server → health as found before."""
        self.spec = spec
        if not spec.fronts:
            self._stop()
            return {}
        if self._process is None or self._process.poll() is not None or self._running != spec:
            self._start(spec)
        stat = self._ask("show stat")
        self._count(stat)
        self.pool_requests = balancer.pool_requests(stat)
        found = balancer.present(stat)
        for pool in spec.pools:
            commands = balancer.decide(pool, wanted.get(pool.name, {}), found.get(pool.name, {}))
            if commands:
                self._say(self._ask(";".join(commands)), commands)
        return found

    def requests(self) -> tuple[int, int]:
        """(finished, failed) since the balancer exists, over all its processes."""
        if self._process is not None and self._process.poll() is None:
            self._count(self._ask("show stat"))
        with self._counting:
            return self._before[0] + self._last[0], self._before[1] + self._last[1]

    def close(self) -> None:
        """Stop it and remove all it has on this machine."""
        self._stop()
        self._socket.close()
        self._network.detach(self.attachment)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._world.ledger.remove("folder", str(self._folder))

    def _start(self, spec: BalancerSpec) -> None:
        """Start a process for ``spec``; an older one finishes what it has and ends."""
        file = self._folder / "haproxy.cfg"
        file.write_text(balancer.config(spec, socket_fd=self._socket.fileno()), encoding="utf-8")
        old = self._process if self._process is not None and self._process.poll() is None else None
        inside = ["nsenter", f"--net=/run/netns/{self.attachment.netns}", "haproxy", "-db", "-q", "-f", str(file)]
        with (self._folder / "haproxy.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*inside, *(["-sf", str(old.pid)] if old else [])],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[self._socket.fileno()],
                start_new_session=True,
                cwd="/",
            )
        if old is not None:
            self._old.append(old)
        with self._counting:
            self._before = (self._before[0] + self._last[0], self._before[1] + self._last[1])
            self._last = (0, 0)
        self._running = spec
        log.info("balancer %s serves at %s with %s", spec.name, spec.url, ", ".join(p.algorithm for p in spec.pools))

    def _stop(self) -> None:
        for process in [*self._old, *([self._process] if self._process else [])]:
            process.kill()
            process.wait()
        self._old, self._process, self._running = [], None, None

    def _count(self, stat: str) -> None:
        with self._counting:
            self._last = balancer.counts(stat)

    def _listen(self) -> socket.socket:
        """The runtime API's socket, inherited by every process; bound through a descriptor, as paths are long."""
        path = self._folder / "api"
        path.unlink(missing_ok=True)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(self._folder, os.O_PATH)
        try:
            opened.bind(f"/proc/self/fd/{folder}/api")
        finally:
            os.close(folder)
        path.chmod(0o600)
        opened.listen(16)
        return opened

    def _ask(self, command: str) -> str:
        folder = os.open(self._folder, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(10)
                line.connect(f"/proc/self/fd/{folder}/api")
                line.sendall(command.encode() + b"\n")
                parts = []
                while part := line.recv(65536):
                    parts.append(part)
        finally:
            os.close(folder)
        return b"".join(parts).decode(errors="replace")

    def _say(self, answer: str, commands: list[str]) -> None:
        told = [line for line in answer.splitlines() if line.strip() and "New server registered" not in line]
        told = [line for line in told if "Server deleted" not in line]
        log.info("balancer %s: %s%s", self.spec.name, "; ".join(commands), f" -> {told}" if told else "")


def folder_of(world: World, name: str) -> Path:
    """Where a balancer's configuration and log lie."""
    return world.home / "balancers" / name
