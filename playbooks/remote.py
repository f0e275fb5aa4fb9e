"""Hosts over SSH: one connection each, the agent (agent.py) at its other end, an order and an answer per line."""

from __future__ import annotations

import json
import selectors
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from quartermaster.playbooks.host_remedies import remedy
from quartermaster.playbooks.inventory import Inventory
from quartermaster.playbooks.machine import Facts, HostTrouble, Limits, Saved, Survey, Update

__all__ = ["SshMachine", "SshMachines"]

_PARTS = ("agent_packages", "agent_settled")
"""Modules beside agent.py that it imports."""
_START = "sudo -n /usr/bin/python3 -I -S -c 'import sys; exec(sys.stdin.buffer.read(%d))'"
"""Nothing but the standard library, and so without a search for what else is installed: a third of its start."""
_ANSWER_SECONDS = 60.0
_USUAL = Limits()


def _agent() -> bytes:
    """What runs at the other end: agent.py after its parts, each under its name as if it had been imported."""
    put = "import sys, types; m = sys.modules[{0!r}] = types.ModuleType({0!r}); exec({1!r}, m.__dict__)\n"
    texts = {name: Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in (*_PARTS, "agent")}
    parts = [put.format(f"quartermaster.playbooks.{name}", texts[name]) for name in _PARTS]
    return "".join([*parts, f"exec({texts['agent']!r})\n"]).encode()


_AGENT = _agent()


_MOST_KEPT = 64
"""Connections that wait for their next use: each is a process here and three open files."""


class SshMachines:
    """The hosts of an inventory."""

    def __init__(self, inventory: Inventory, limits: Limits = _USUAL) -> None:
        self._inventory = inventory
        self._limits = limits
        self._kept: dict[str, SshMachine] = {}

    def keep(self, host_id: str, machine: SshMachine) -> None:
        """Leave its connection to whoever opens the host next, who saves making one."""
        if len(self._kept) < _MOST_KEPT:
            self._kept[host_id] = machine
        else:
            machine.close()

    def close(self) -> None:
        """End the connections that were kept."""
        while self._kept:
            self._kept.popitem()[1].close()

    def open(self, host_id: str) -> SshMachine:
        """The host; connects when first asked something, and says then why it cannot."""
        if (kept := self._kept.pop(host_id, None)) is not None and kept.connected:
            return kept
        if kept is not None:
            kept.close()
        try:
            return SshMachine(host_id, self._inventory.ssh_command(host_id), self._limits)
        except KeyError:
            why = self._inventory.left_out.get(host_id, "it is not in the inventory")
            return SshMachine(host_id, [], self._limits, why)


class SshMachine:
    """A Machine behind ``ssh``. One thread at a time."""

    def __init__(self, host_id: str, command: list[str], limits: Limits = _USUAL, obstacle: str = "") -> None:
        self._id = host_id
        self._command = command
        self._limits = limits
        self._obstacle = obstacle
        self._child: subprocess.Popen[bytes] | None = None
        self._rest = b""

    @property
    def connected(self) -> bool:
        """Whether its connection is up, as far as ssh knows."""
        return self._child is not None and self._child.poll() is None

    def facts(self, names: Iterable[str]) -> Facts:
        asked_at = time.time()
        found = self._ask("facts", names=sorted(names))
        ahead = found.pop("clock") - (asked_at + time.time()) / 2
        return Facts(**found, clock_ahead=round(ahead, 1))

    def survey(self) -> Survey:
        found = self._long("survey")
        updates = tuple(Update(**row) for row in found["updates"])
        unsaved, bundle = tuple(found["unsaved"]), found["bundle"]
        return Survey(updates, found["reboot_required"], unsaved=unsaved, bundle=bundle)

    def drags(self, pins: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        return dict(self._long("drags", pins=dict(pins))["drags"])

    def save(self, run: str, pins: Mapping[str, str]) -> Saved:
        found = self._long("save", run=run, pins=dict(pins))
        return Saved(tuple(Update(**row) for row in found["changes"]), tuple(found["missing"]))

    def upgrade(self, run: str, pins: Mapping[str, str]) -> Mapping[str, str]:
        return dict(self._long("upgrade", run=run, pins=dict(pins))["versions"])

    def rollback(self, run: str) -> Mapping[str, str]:
        return dict(self._long("rollback", run=run)["versions"])

    def reboot(self, run: str) -> str:
        before = self._ask("reboot", run=run)
        if before["done"]:
            return str(before["boot_id"])
        until, met = time.monotonic() + self._limits.reboot, "it never went down"
        while time.monotonic() < until:
            self.close()
            time.sleep(0.5)
            try:
                now = self._ask("facts", within=15)["boot_id"]
            except HostTrouble as exc:
                met = exc.message
                continue
            if now != before["boot_id"]:
                return str(now)
        raise HostTrouble(
            f"host {self._id} did not come back within {self._limits.reboot:.0f} s of its reboot: {met}",
            remedy="look at its console, or let its group replace it",
        )

    def converge(self, run: str) -> Mapping[str, Any]:
        return self._long("converge", run=run)

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

    def _long(self, order: str, **words: Any) -> dict[str, Any]:
        """An order that the host itself ends in time: an answer comes, unless the host is lost."""
        limits = self._limits
        return self._ask(
            order, within=limits.lock + 2 * limits.transaction + limits.converge + _ANSWER_SECONDS, **words
        )

    def _ask(self, order: str, *, within: float = _ANSWER_SECONDS, **words: Any) -> dict[str, Any]:
        if self._obstacle:
            raise self._trouble(f"cannot be worked on: {self._obstacle}")
        limits = {name: getattr(self._limits, name) for name in ("lock", "transaction", "converge")}
        line = json.dumps({"order": order, "limits": limits, **words}).encode() + b"\n"
        try:
            answer = json.loads(self._exchange(line, within))
        except (OSError, ValueError, TimeoutError) as exc:
            self.close()
            raise self._trouble(f"{order}: {exc}") from exc
        if "trouble" in answer:
            raise self._trouble(f"{order}: {answer['trouble']}")
        return dict(answer["ok"])

    def _trouble(self, what: str) -> HostTrouble:
        return HostTrouble(f"host {self._id}, {what}", remedy=remedy(what))

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
        said = child.stderr.read().decode(errors="replace").split("\n") if child.stderr else []
        return (
            " ".join([line.strip() for line in said if line.strip()][-2:])
            or f"the connection ended ({child.returncode})"
        )
