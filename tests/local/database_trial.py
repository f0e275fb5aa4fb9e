"""A database of the local cloud on fake servers and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local.database import Database
from quartermaster.infra.local.moto_rds import DatabaseSpec
from quartermaster.infra.local.world import World

ENDPOINT, PLACE = "10.0.0.4", "10.0.1.4"
SPEC = DatabaseSpec(
    "orders", "vpc", "10.0.0.0/16", ENDPOINT, "a", 5432, "ops", "secret", "orders", PLACE, "b", parameters={"x": "1"}
)
AUTHORITY: Any = type("Authority", (), {"issue": lambda *_: (b"", b"")})()


@dataclass
class FakeNode:
    """A server: what it does is written down, in order, in the list that all share."""

    name: str
    zone: str
    address: str
    done: list[str]
    alive: bool = True
    plugged: bool = True
    powered: bool = True
    recovering: bool = False
    upstream: FakeNode | None = None
    refuses: str = ""
    """A statement that fails the next time."""
    names: str = ""

    def answers(self) -> bool:
        return self.alive and self.plugged

    def start(self) -> None:
        self.alive = self.powered = True
        self.done.append(f"{self.name} starts")

    def stop(self) -> None:
        self.alive = False

    def set(self, asked: Mapping[str, str]) -> None: ...

    def certify(self, *_: bytes) -> None: ...

    def plug(self, plugged: bool) -> None:
        self.plugged = plugged and self.powered

    def lose_power(self) -> None:
        self.powered = self.alive = self.plugged = False

    def repair(self) -> None:
        self.powered = self.plugged = True

    def cut(self) -> None:
        self.alive = False

    def strip(self) -> None:
        self.done.append(f"{self.name} is fenced")
        self.address = ""

    def move(self, address: str) -> None:
        self.address = address

    def empty(self) -> None: ...

    def close(self) -> None:
        self.done.append(f"{self.name} is removed")

    def follow(self, upstream: FakeNode, name: str) -> None:
        if not upstream.answers():
            raise OpsError("no upstream")
        self.recovering, self.upstream = True, upstream
        self.done.append(f"{self.name} is copied")

    def sql(self, statement: str, **_: str) -> str:
        if self.refuses and self.refuses in statement:
            self.refuses = ""
            raise OpsError("refused")
        if "pg_promote" in statement:
            self.recovering, self.upstream = False, None
            self.done.append(f"{self.name} is promoted")
        if "alter system" in statement:
            self.names = statement.split("'")[1]
        if "exists" in statement:
            told = ["t" if it else "f" for it in (self.fed, self.names)]
            return "|".join(told if "synchronous_standby_names" in statement else told[:1])
        return "1" if self.fed else "0"

    fed: bool = True
    """Whether its standby streams from it."""


@dataclass
class Trial:
    """One database under a clock that the test moves."""

    world: World
    seconds: float = 1000.0
    done: list[str] = field(default_factory=list)
    spec: DatabaseSpec = SPEC
    db: Any = None
    parted: bool = False
    """The standby lives, and gets nothing from the primary."""

    def build(self, *, standby: bool = True) -> Trial:
        primary = FakeNode("A", "a", ENDPOINT, self.done)
        self.db = Database(self.world, AUTHORITY, self.spec, cast(Any, primary))
        if standby:
            self.db.follow(cast(Any, FakeNode("B", "b", PLACE, self.done)))
        self.look()
        assert self.db.synchronous is standby
        self.done.clear()
        return self

    def look(self, seconds: float = 1.0, times: int = 1) -> None:
        """Let time pass and look, so often."""
        for _ in range(times):
            self.seconds += seconds
            self.db.plug()
            if self.db.standby:
                self.db.primary.fed = self.db.standby.answers() and not self.parted
            self.db.tend()

    @property
    def serving(self) -> list[str]:
        """The servers that take writes where clients call."""
        nodes = [node for node in self.db.nodes if node.address == ENDPOINT and node.answers() and not node.recovering]
        return [node.name for node in nodes]
