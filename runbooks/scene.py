"""What a drill sees: groups and databases as they were at one instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import Group, Host

__all__ = ["DatabasesReader", "HostsReader", "Scene", "Subjects", "look"]


@dataclass(frozen=True, slots=True)
class Subjects:
    """What a drill looks at."""

    clusters: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """Groups and databases by the fleet's names."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    databases: Mapping[str, DatabaseState] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    """What the kind of drill looked at besides; JSON, as plans are saved."""

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Of all groups."""
        return tuple(host for group in self.groups.values() for host in group.hosts)

    def to_json(self) -> dict[str, Json]:
        """The scene as JSON; ``from_json`` gives it back."""
        record = asdict(self)
        for state in record["databases"].values():
            restorable_to = state["restorable_to"]
            state["restorable_to"] = restorable_to and restorable_to.isoformat()
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scene:
        """The scene back from its JSON."""
        return cls(
            groups={name: _group(group) for name, group in record["groups"].items()},
            databases={name: _state(state) for name, state in record["databases"].items()},
            extra=record["extra"],
        )


class HostsReader(Protocol):
    """The part of ``fleet.hosts.Hosts`` that drills use."""

    def group(self, cluster: str) -> Group:
        """The group now. Read-only."""
        ...

    def terminate(self, host_id: str) -> None:
        """Terminate one host; its group replaces it."""
        ...


class DatabasesReader(Protocol):
    """The part of ``fleet.databases.Databases`` that drills use."""

    def state(self, name: str) -> DatabaseState:
        """The database now. Read-only."""
        ...

    def reboot(self, name: str, *, failover: bool) -> None:
        """Restart it, or let its standby take over."""
        ...

    def events(self, name: str, since: datetime) -> list[tuple[datetime, str]]:
        """What RDS tells of it since then, oldest first. Read-only."""
        ...


def look(
    clusters: Iterable[str],
    databases: Iterable[str],
    hosts: HostsReader,
    servers: DatabasesReader | None,
    extra: Mapping[str, Json],
) -> Scene:
    """The scene now. Read-only."""
    names = tuple(databases)
    assert servers is not None or not names
    return Scene(
        groups={name: hosts.group(name) for name in clusters},
        databases={name: servers.state(name) for name in names} if servers is not None else {},
        extra=extra,
    )


def _group(record: Mapping[str, Any]) -> Group:
    lists = {key: tuple(record[key]) for key in ("zones", "suspended")}
    return Group(**{**record, **lists, "hosts": tuple(Host(**host) for host in record["hosts"])})


def _state(record: Mapping[str, Any]) -> DatabaseState:
    restorable_to = record["restorable_to"]
    return DatabaseState(**{**record, "restorable_to": restorable_to and datetime.fromisoformat(restorable_to)})
