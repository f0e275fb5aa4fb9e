"""A small world for patch cycles: a group, a balancer and machines that do as told, and fail as told."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event
from quartermaster.fleet.hosts import Group, Host, Requests
from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks.machine import Facts, HostTrouble, Machine, Saved, Survey, Update

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
PAGE = Update("shop-page", "1.0", "2.0")


def fleet(*, freezes: tuple[dict[str, str], ...] = (), **patching: Any) -> Fleet:
    settings = {"window": "always", "canary": 1, "wave": 1, "soak_minutes": 0, "gate": {"min_requests": 10}, **patching}
    clusters: dict[str, Any] = {"web": {"balancer": {}}}
    return Fleet.model_validate(
        {"fleet": "shop", "clusters": clusters, "patching": {"web": settings}, "freezes": freezes}
    )


def group(count: int = 6, *, floor: int = 3) -> Group:
    hosts = [Host(f"i-{n}", "web", ZONES[n % 3], f"10.0.0.{n}", "InService", "healthy") for n in range(count)]
    hosts.sort(key=lambda host: (host.zone, host.id))
    return Group("shop-dev-web", "web", floor, 12, count, ZONES, (), "arn:tg", tuple(hosts))


def surveys(found: Group, *updates: Update) -> dict[str, Survey]:
    return {host.id: Survey(updates or (PAGE,)) for host in found.hosts}


@dataclass
class FakeWorld:
    """A group that refuses what AWS refuses."""

    now: Group
    acts: list[str] = field(default_factory=list)
    fewest: int = 99
    reads: int = 0
    refreshing: bool = False
    launches: bool = True
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def group(self) -> Group:
        with self._changing:
            self.reads += 1
            self._launch()
            self._count()
            return self.now

    def enter_standby(self, host_id: str) -> None:
        if self.now.desired - 1 < self.now.min:
            raise OpsError("desired would fall below min")
        self._act(f"standby {host_id}")
        self._move(host_id, "Standby", "unused", -1)

    def exit_standby(self, host_id: str) -> None:
        self._act(f"return {host_id}")
        self._move(host_id, "InService", "healthy", +1)

    def suspend(self, processes: Sequence[str]) -> None:
        self._act("suspend")
        self.now = replace(self.now, suspended=tuple(sorted({*self.now.suspended, *processes})))

    def resume(self, processes: Sequence[str]) -> None:
        self._act("resume")
        self.now = replace(self.now, suspended=tuple(name for name in self.now.suspended if name not in processes))

    def set_floor(self, floor: int) -> None:
        self._act(f"floor {floor}")
        self.now = replace(self.now, min=floor, desired=max(self.now.desired, floor))

    def hold(self, size: int, *, without: str = "") -> None:
        """More hosts come one a reading, each into the emptiest zone, unless launches fail."""
        standby = sum(host.lifecycle == "Standby" and host.id != without for host in self.now.hosts)
        if not self.now.min <= size - standby <= self.now.max:
            raise OpsError(f"desired {size - standby} is not between min and max")
        self._act(f"hold {size}")
        self.now = replace(self.now, desired=size - standby)

    def terminate(self, host_id: str, *, fewer: bool = False) -> None:
        if fewer and self.now.desired - 1 < self.now.min:
            raise OpsError("desired would fall below min")
        self._act(f"terminate {host_id}")
        hosts = tuple(host for host in self.now.hosts if host.id != host_id)
        self.now = replace(self.now, hosts=hosts, desired=self.now.desired - fewer)

    def refresh_running(self) -> bool:
        return self.refreshing

    def _launch(self) -> None:
        counted = [host for host in self.now.hosts if host.lifecycle == "InService"]
        if len(counted) >= self.now.desired or not self.launches:
            return
        zone = min(ZONES, key=lambda zone: sum(host.zone == zone for host in counted))
        host = Host(f"i-new{len(self.acts)}", "web", zone, "10.0.0.99", "InService", "healthy")
        hosts = sorted([*self.now.hosts, host], key=lambda host: (host.zone, host.id))
        self.now = replace(self.now, hosts=tuple(hosts))

    def _act(self, what: str) -> None:
        self.acts.append(what)

    def _move(self, host_id: str, lifecycle: str, health: str, more: int) -> None:
        with self._changing:
            hosts = tuple(
                replace(host, lifecycle=lifecycle, health=health) if host.id == host_id else host
                for host in self.now.hosts
            )
            self.now = replace(self.now, hosts=hosts, desired=self.now.desired + more)
            self._count()

    def _count(self) -> None:
        self.fewest = min(self.fewest, sum(host.serving for host in self.now.hosts))


@dataclass
class FakeMachine:
    """A host whose package and boots are counted; ``breaks`` names the orders that fail."""

    id: str
    version: str = "1.0"
    boots: int = 0
    upgrades: int = 0
    reboot_required: bool = False
    breaks: tuple[str, ...] = ()
    meets: threading.Barrier | None = None
    """Where it waits for those at work beside it, once it is out of service."""
    _upgraded: set[str] = field(default_factory=set)

    def facts(self, names: Iterable[str]) -> Facts:
        self._may("facts")
        return Facts(str(self.boots), self.reboot_required, dict.fromkeys(names, self.version))

    def survey(self) -> Survey:
        return Survey((PAGE,))

    def drags(self, pins: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        return {}

    def save(self, run: str, pins: Mapping[str, str]) -> Saved:
        self._may("save")
        if self.meets:
            self.meets.wait()
        return Saved((PAGE,), ())

    def upgrade(self, run: str, pins: Mapping[str, str]) -> Mapping[str, str]:
        if run not in self._upgraded:
            self._upgraded.add(run)
            self.upgrades += 1
            self._may("upgrade")
            self.version = pins["shop-page"]
        return {"shop-page": self.version}

    def rollback(self, run: str) -> Mapping[str, str]:
        self._may("rollback")
        self.version = "1.0"
        return {"shop-page": "1.0"}

    def reboot(self, run: str) -> str:
        self.boots += 1
        self.reboot_required = False
        return str(self.boots)

    def converge(self, run: str) -> Mapping[str, Any]:
        self._may("converge")
        return {"changed": 0}

    def health(self, port: int, path: str, seconds: float) -> str:
        return "refused" if "health" in self.breaks and self.version != "1.0" else ""

    def close(self) -> None:
        pass

    def _may(self, order: str) -> None:
        if order in self.breaks:
            raise HostTrouble(f"host {self.id}, {order}: told to fail")


class FakeMachines(dict[str, FakeMachine]):
    @classmethod
    def of(cls, found: Group) -> FakeMachines:
        return cls({host.id: FakeMachine(host.id) for host in found.hosts})

    def open(self, host_id: str) -> Machine:
        return self[host_id]


@dataclass
class FakeCounter:
    """Each reading counts some more requests; None: no data."""

    each: Requests | None = field(default_factory=lambda: Requests(1000, 0, 5.0))
    total: Requests = field(default_factory=lambda: Requests(5000, 7))

    def read(self, cluster: str) -> Requests:
        if self.each is None:
            raise OpsError("no data")
        self.total = Requests(
            self.total.sent + self.each.sent, self.total.failed + self.each.failed, self.each.latency_ms
        )
        return self.total


@dataclass
class FakePins:
    """What new hosts take; each change is kept."""

    now: Mapping[str, str] = field(default_factory=lambda: {"older": "0.9"})
    written: list[Mapping[str, str]] = field(default_factory=list)

    def read(self) -> Mapping[str, str]:
        return self.now

    def write(self, versions: Mapping[str, str]) -> None:
        self.now = dict(versions)
        self.written.append(self.now)


@dataclass
class Asks:
    """Somebody's word, given once ``after`` more questions were asked."""

    word: str = ""
    after: int = 0

    def __call__(self) -> str:
        self.after -= 1
        return self.word if self.after < 0 else ""


def until(events: Iterator[Event], count: int) -> list[Event]:
    """The first events, then the consumer is gone, as after a kill between journal and act."""
    seen = [event for _, event in zip(range(count), events, strict=False)]
    events.close()  # type: ignore[attr-defined]
    return seen
