"""The group that a patch cycle works on, as a seam: the cloud's, or a fake in tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from quartermaster.fleet.hosts import Group, Host, Hosts

__all__ = ["CloudWorld", "World", "find", "size"]

_T = TypeVar("_T")
_Move = Callable[[Group, Sequence[str]], None]
_Waiting = SimpleQueue[tuple[str, Future[None]]]
_FRESH_SECONDS = 0.1
_MOST_MOVED = 20
"""In one call: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html"""


class World(Protocol):
    """One cluster's group: read, and moved."""

    def group(self) -> Group:
        """As it is now, at most half a second old. Read-only."""
        ...

    def enter_standby(self, host_id: str) -> None: ...

    def exit_standby(self, host_id: str) -> None: ...

    def suspend(self, processes: Sequence[str]) -> None: ...

    def resume(self, processes: Sequence[str]) -> None: ...

    def set_floor(self, floor: int) -> None: ...

    def refresh_running(self) -> bool:
        """Whether AWS replaces the group's hosts now. Read-only."""
        ...

    def hold(self, size: int, *, without: str = "") -> None:
        """See that the group wants as many hosts as make ``size`` with those in standby, one of them not counted."""
        ...

    def terminate(self, host_id: str, *, fewer: bool = False) -> None:
        """Drain and terminate the host. ``fewer``: the group wants one less from then on."""
        ...


def find(world: World, host_id: str) -> Host | None:
    """The host as its group shows it, or None when it is gone. Read-only."""
    return next((host for host in world.group().hosts if host.id == host_id), None)


def size(group: Group) -> int:
    """How many hosts the group is to have, those in standby with them. Pure."""
    return group.desired + sum(host.lifecycle in ("Standby", "EnteringStandby") for host in group.hosts)


class CloudWorld:
    """The group of a cluster through the AWS API. Threads share its readings, and act one after another.

    Hosts that are to enter standby, or to leave it, while another act is under way do so in one call.
    """

    def __init__(self, hosts: Hosts, cluster: str) -> None:
        self._hosts = hosts
        self._cluster = cluster
        self._entering: _Waiting = SimpleQueue()
        self._leaving: _Waiting = SimpleQueue()
        self._lock = threading.RLock()
        self._read_at = 0.0
        self._group: Group | None = None

    def group(self) -> Group:
        with self._lock:
            if self._group is None or time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._group = self._hosts.group(self._cluster)
                self._read_at = time.monotonic()
            return self._group

    def enter_standby(self, host_id: str) -> None:
        self._move(self._hosts.enter_standby, self._entering, host_id)

    def exit_standby(self, host_id: str) -> None:
        self._move(self._hosts.exit_standby, self._leaving, host_id)

    def suspend(self, processes: Sequence[str]) -> None:
        self._act(lambda group: self._hosts.suspend(group, processes))

    def resume(self, processes: Sequence[str]) -> None:
        self._act(lambda group: self._hosts.resume(group, processes))

    def set_floor(self, floor: int) -> None:
        self._act(lambda group: self._hosts.set_floor(group, floor))

    def refresh_running(self) -> bool:
        return self._hosts.refresh_running(self.group())

    def hold(self, size: int, *, without: str = "") -> None:
        def act(group: Group) -> None:
            standby = ("Standby", "EnteringStandby")
            wanted = size - sum(host.lifecycle in standby and host.id != without for host in group.hosts)
            if group.desired != wanted:
                self._hosts.set_desired(group, wanted)

        self._act(act, fresh=True)

    def terminate(self, host_id: str, *, fewer: bool = False) -> None:
        self._act(lambda _group: self._hosts.terminate(host_id, replaced=not fewer))

    def _move(self, move: _Move, waiting: _Waiting, host_id: str) -> None:
        """Move the host, and with it those that wait for the same."""
        moved: Future[None] = Future()
        waiting.put((host_id, moved))
        with self._lock:
            while not moved.done():  # else somebody else's call took it along
                some: list[tuple[str, Future[None]]] = []
                with suppress(Empty):
                    while len(some) < _MOST_MOVED:
                        some.append(waiting.get_nowait())
                self._moved(move, some)
        moved.result()

    def _moved(self, move: _Move, some: Sequence[tuple[str, Future[None]]]) -> None:
        try:
            self._act(lambda group: move(group, [host_id for host_id, _ in some]))
        except Exception as exc:  # noqa: BLE001 - raised again in the thread that asked for it
            if len(some) == 1:
                some[0][1].set_exception(exc)
            else:  # one that cannot be moved forbids the call for all
                for one in some:
                    self._moved(move, [one])
        else:
            for _, moved in some:
                moved.set_result(None)

    def _act(self, act: Callable[[Group], None], *, fresh: bool = False) -> None:
        """Act on the group: on its name alone, or on what it is like now (``fresh``)."""
        with self._lock:
            group = self.group() if fresh or self._group is None else self._group
            act(group)
            self._read_at = 0.0
