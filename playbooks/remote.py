"""Hosts over SSH: one connection each, the agent (agent.py) at its other end, an order and an answer per line."""

from __future__ import annotations

import json
import selectors
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from quartermaster.playbooks.inventory import Inventory
from quartermaster.playbooks.machine import Facts, HostTrouble, Saved, Survey, Update

__all__ = ["SshMachine", "SshMachines"]

_AGENT = Path(__file__).with_name("agent.py").read_bytes()
_START = "sudo -n /usr/bin/python3 -c 'import sys; exec(sys.stdin.buffer.read(%d))'"
_TRANSACTION_SECONDS = 1800.0
_REBOOT_SECONDS = 300.0


class SshMachines:
    """The hosts of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def open(self, host_id: str) -> SshMachine:
        """The host; connects when first asked something, and says then why it cannot."""
        try:
            return SshMachine(host_id, self._inventory.ssh_command(host_id))
        except KeyError:
            return SshMachine(host_id, [], self._inventory.left_out.get(host_id, "it is not in the inventory"))


class SshMachine:
    """A Machine behind ``ssh``. One thread at a time."""

    def __init__(self, host_id: str, command: list[str], obstacle: str = "") -> None:
        self._id = host_id
        self._command = command
        self._obstacle = obstacle
        self._child: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def facts(self, names: Iterable[str]) -> Facts:
        return Facts(**self._ask("facts", names=sorted(names)))

    def survey(self) -> Survey:
        found = self._ask("survey", within=_TRANSACTION_SECONDS)
        updates = tuple(Update(**row) for row in found["updates"])
        return Survey(updates, found["reboot_required"], unsaved=tuple(found["unsaved"]))

    def save(self, run: str, pins: Mapping[str, str]) -> Saved:
        found = self._ask("save", within=_TRANSACTION_SECONDS, run=run, pins=dict(pins))
        return Saved(tuple(Update(**row) for row in found["changes"]), tuple(found["missing"]))

    def upgrade(self, run: str, pins: Mapping[str, str]) -> Mapping[str, str]:
        return dict(self._ask("upgrade", within=_TRANSACTION_SECONDS, run=run, pins=dict(pins))["versions"])

    def rollback(self, run: str) -> Mapping[str, str]:
        return dict(self._ask("rollback", within=_TRANSACTION_SECONDS, run=run)["versions"])

    def reboot(self, run: str) -> str:
        before = self._ask("reboot", run=run)
        if before["done"]:
            return str(before["boot_id"])
        until = time.monotonic() + _REBOOT_SECONDS
        while time.monotonic() < until:
            self.close()
            time.sleep(0.5)
            try:
                now = self._ask("facts", within=15)["boot_id"]
            except HostTrouble:
                continue
            if now != before["boot_id"]:
                return str(now)
        raise HostTrouble(f"host {self._id} did not come back within {_REBOOT_SECONDS:.0f} s of its reboot")

    def converge(self, run: str) -> int:
        return int(self._ask("converge", within=_TRANSACTION_SECONDS, run=run)["changed"])

    def health(self, port: int, path: str, seconds: float) -> str:
        return str(self._ask("health", within=seconds + 30, port=port, path=path, seconds=seconds)["error"])

    def close(self) -> None:
        """End the connection. What runs detached on the host goes on."""
        child, self._child, self._rest = self._child, None, b""
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                stream.close()

    def _ask(self, order: str, *, within: float = 60.0, **words: Any) -> dict[str, Any]:
        if self._obstacle:
            raise HostTrouble(f"host {self._id} cannot be worked on: {self._obstacle}")
        try:
            answer = json.loads(self._exchange(json.dumps({"order": order, **words}).encode() + b"\n", within))
        except (OSError, ValueError, TimeoutError) as exc:
            self.close()
            raise HostTrouble(f"host {self._id}, {order}: {exc}") from exc
        if "trouble" in answer:
            raise HostTrouble(f"host {self._id}, {order}: {answer['trouble']}")
        return dict(answer["ok"])

    def _exchange(self, line: bytes, within: float) -> bytes:
        fresh = self._child is None
        child = self._connected()
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(_AGENT + line if fresh else line)
            child.stdin.flush()
        except BrokenPipeError:
            raise OSError(self._last_words(child)) from None
        return self._line(child, child.stdout, time.monotonic() + within)

    def _connected(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            pipe = subprocess.PIPE
            command = [*self._command, _START % len(_AGENT)]
            self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        return self._child

    def _line(self, child: subprocess.Popen[bytes], stream: IO[bytes], until: float) -> bytes:
        with selectors.DefaultSelector() as ready:
            ready.register(stream, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not ready.select(max(0.0, until - time.monotonic())):
                    raise TimeoutError("no answer in time")
                got = stream.read1(65536)  # type: ignore[attr-defined]
                if not got:
                    raise OSError(self._last_words(child))
                self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _last_words(self, child: subprocess.Popen[bytes]) -> str:
        """What ssh or sudo said when the connection ended."""
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            return "the connection ended"
        said = child.stderr.read().decode(errors="replace").strip() if child.stderr else ""
        return said or f"the connection ended ({child.returncode})"
