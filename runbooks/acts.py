"""What a drill may do to the world, and what it needs of it. Every act reads the world first, so done twice is once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import RequestCounter
from quartermaster.fleet.write_probe import Writer
from quartermaster.runbooks.document import Call
from quartermaster.runbooks.pilot import Pilot
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.restorer import Restorer
from quartermaster.runbooks.scene import DatabasesReader, HostsReader
from quartermaster.runbooks.shifts import Shifting, ZoneCounter

__all__ = ["COMMANDS", "ROLLBACKS", "Acts", "Command", "Done", "FaultInjector", "Hands", "Table"]

Done = bool | Mapping[str, Json]
"""Whether an act changed anything; or, when it did, what it found, for the evidence."""


class FaultInjector(Protocol):
    """Makes faults: the local cloud's control API; on aws FIS, whose experiments end by themselves."""

    def kill_host(self, host_id: str) -> None:
        """Power loss: the host's processes die, nobody is told."""
        ...

    def fail_over(self, instance: str) -> None:
        """A database's primary, by RDS's name for it, loses its power; on aws its standby is told to take over."""
        ...

    def fail_zone(self, zone: str) -> None:
        """Cut the zone off: nothing in it answers. Idempotent."""
        ...

    def heal_zone(self, zone: str) -> None:
        """Connect the zone again. Idempotent."""
        ...


class Table(Protocol):
    """People who answer questions."""

    @property
    def people(self) -> Sequence[str]:
        """Who sits there."""
        ...

    @property
    def answers(self) -> Mapping[str, Json]:
        """What was answered so far, by the question's id."""
        ...

    def ask(self, question: Mapping[str, str], limit_seconds: float) -> None:
        """Put a question (id, title, ask, known) and keep the answer with the seconds it took."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What a drill looks and acts with; the caller wires it. Kinds add tools of their own below, None by default."""

    hosts: HostsReader
    faults: FaultInjector
    clock: Clock
    counter: RequestCounter | None = None
    """None: nobody counts requests."""
    databases: DatabasesReader | None = None
    shifts: Shifting | None = None
    zone_counter: ZoneCounter | None = None
    halted: Callable[[], str] = lambda: ""
    """Why the world ended the fault before we did: an alarm that stops an experiment. Empty while it did not."""
    pilot: Pilot | None = None
    """None: nothing here may move what is in the recovery region."""
    writer: Callable[[str], Writer | None] = lambda _database: None
    """What writes to a database, so as to see how long it takes no writes; None where nobody can from here."""
    restorer: Restorer | None = None
    table: Table | None = None
    """None: nobody sits at it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a rollback that runbooks may name."""

    do: Callable[..., Done]
    """Takes the Hands, the DrillPlan, then the arguments of the call. Raises OpsError."""
    arguments: tuple[str, ...] = ()
    require: Callable[..., None] | None = None
    """Takes the same. Raises OpsError when the world forbids the call: it has moved since the plan. Read-only."""


def _nothing(hands: Hands, plan: DrillPlan) -> Done:  # noqa: ARG001
    return False


COMMANDS: Mapping[str, Command] = {"observe": Command(_nothing), "wait": Command(_nothing)}
"""Of every kind. They do nothing: the world acts."""
ROLLBACKS: Mapping[str, Command] = {"nothing": Command(_nothing)}
"""Of every kind."""


class Acts:
    """The commands and rollbacks of one drill, bound to its world."""

    def __init__(self, plan: DrillPlan, known: Mapping[str, Command], hands: Hands) -> None:
        self._plan, self._known, self._hands = plan, known, hands

    def require(self, call: Call) -> None:
        """Raises OpsError when the world forbids the call. Read-only."""
        if check := self._known[call.name].require:
            check(self._hands, self._plan, *call.arguments)

    def do(self, call: Call) -> Done:
        """Carry the call out."""
        return self._known[call.name].do(self._hands, self._plan, *call.arguments)
