"""The plan of a drill: a value that can be printed, saved, reviewed, and followed later to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import Group, Host
from quartermaster.runbooks.guards import Guard

__all__ = ["DrillPlan", "Stops"]


@dataclass(frozen=True, slots=True)
class Stops:
    """When a drill that is under way is aborted and healed."""

    seconds: float
    """Since the fault."""
    failed_share: float
    """Of the requests in the last ``window_seconds``."""
    window_seconds: float = 15.0
    min_requests: int = 50
    """Fewer in the window prove nothing."""

    def __str__(self) -> str:
        return (
            f"{self.seconds:.0f} s after the fault, or when {self.failed_share:.0%} of the requests of "
            f"{self.window_seconds:.0f} s fail"
        )


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """One drill, decided."""

    kind: str
    of: str
    fleet: str
    stack: str
    target: str
    at: str
    """When it was decided, UTC."""
    host: str
    """The host to lose; empty when none could be chosen."""
    zone: str
    why: str
    """Why this host."""
    runner_up: str
    """The next best, and why not."""
    guards: tuple[Guard, ...]
    before: Group
    """The cluster as it was when decided: what "restored" is measured against."""
    objective_seconds: float | None
    """RTO objective of scope zone, or None where none is declared."""
    stops: Stops
    poll_seconds: float
    """How often the world is looked at: the resolution of what is measured."""
    document: str
    """The rendered runbook; the drill does its steps."""

    @property
    def refused(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.guards if guard.verdict == "refused")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not known, or was overridden."""
        return tuple(
            f"{guard.name}: {guard.found}" for guard in self.guards if guard.verdict in ("unknown", "overridden")
        )

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the drill must hold leases on."""
        return (f"{self.stack}/cluster/{self.of}", f"{self.stack}/zone/{self.zone}")

    def require(self) -> None:
        """Raises GuardRefused, naming every guard that forbids the drill."""
        if self.refused:
            raise GuardRefused(
                f"{self.kind} of {self.of} may not run: "
                + "; ".join(f"{guard.name}: {guard.found}" for guard in self.refused),
                remedy="; ".join(guard.remedy for guard in self.refused if guard.remedy),
            )

    def to_json(self) -> dict[str, Json]:
        """The plan as JSON; ``from_json`` gives it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DrillPlan:
        """The plan back from its JSON."""
        values = dict(record)
        before = dict(values["before"])
        before["hosts"] = tuple(Host(**host) for host in before["hosts"])
        before["zones"], before["suspended"] = tuple(before["zones"]), tuple(before["suspended"])
        values["before"] = Group(**before)
        values["guards"] = tuple(Guard(**guard) for guard in values["guards"])
        values["stops"] = Stops(**values["stops"])
        return cls(**values)
