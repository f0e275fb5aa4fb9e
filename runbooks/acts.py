"""What a drill may do to the world, and what it needs of it. Every act reads the world first, so done twice is once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Group, Host
from quartermaster.runbooks.document import Call
from quartermaster.runbooks.plan import DrillPlan

__all__ = ["Acts", "FaultInjector", "HostsReader"]


class FaultInjector(Protocol):
    """Makes faults: the local cloud's control API; on aws FIS, whose experiments end by themselves."""

    def kill_host(self, host_id: str) -> None:
        """Power loss: the host's processes die, nobody is told."""
        ...


class HostsReader(Protocol):
    """The part of ``fleet.hosts.Hosts`` that a drill uses."""

    def group(self, cluster: str) -> Group:
        """The group now. Read-only."""
        ...

    def terminate(self, host_id: str) -> None:
        """Terminate one host; its group replaces it."""
        ...


class Acts:
    """The commands and rollbacks of one drill, bound to its world."""

    def __init__(self, plan: DrillPlan, hosts: HostsReader, faults: FaultInjector | None) -> None:
        self._plan = plan
        self._hosts = hosts
        self._faults = faults
        self._known: Mapping[str, Callable[..., bool]] = {
            "observe": self._nothing,
            "wait": self._nothing,
            "nothing": self._nothing,
            "kill_host": self._kill_host,
            "replace_host": self._replace_host,
        }

    def require(self, call: Call) -> None:
        """Raises OpsError when the world forbids the call: it has moved since the plan. Read-only."""
        if call.name != "kill_host":
            return
        (host_id,) = call.arguments
        host = self._member(host_id)
        if host_id != self._plan.host or host is None or not host.serving:
            found = "is not in the group" if host is None else f"is {host.lifecycle}/{host.health}"
            raise OpsError(
                f"the world has moved since the plan: {host_id} {found}, planned was {self._plan.host}, serving",
                remedy=f"plan anew: ops drill run {self._plan.kind} {self._plan.of}",
            )

    def do(self, call: Call) -> bool:
        """Carry the call out; whether it changed anything."""
        return self._known[call.name](*call.arguments)

    def _nothing(self) -> bool:
        return False

    def _kill_host(self, host_id: str) -> bool:
        assert self._faults is not None
        self._faults.kill_host(host_id)
        return True

    def _replace_host(self, host_id: str) -> bool:
        host = self._member(host_id)
        if host is None or host.lifecycle.startswith("Terminat"):
            return False
        self._hosts.terminate(host_id)
        return True

    def _member(self, host_id: str) -> Host | None:
        group = self._hosts.group(self._plan.of)
        return next((host for host in group.hosts if host.id == host_id), None)
