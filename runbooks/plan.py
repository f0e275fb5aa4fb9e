"""The plan of a drill: a value that can be printed, saved, reviewed, and followed later to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Json
from quartermaster.runbooks.case import Guard, Loss
from quartermaster.runbooks.scene import Scene

__all__ = ["DrillPlan", "Goal", "Stops"]


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
class Goal:
    """The objective of one cluster or database for the scope of the drill, in seconds."""

    rto_seconds: float
    rpo_seconds: float | None
    """None where none is declared."""

    def met(self, rto_seconds: float | None, rpo_seconds: float | None, *, holds_data: bool) -> bool:
        """Whether what was measured meets it. What holds data and was not measured for loss meets no RPO."""
        if rto_seconds is None or rto_seconds > self.rto_seconds:
            return False
        if self.rpo_seconds is None or not holds_data:
            return True
        return rpo_seconds is not None and rpo_seconds <= self.rpo_seconds


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """One drill, decided."""

    kind: str
    of: str
    way: str
    fleet: str
    stack: str
    target: str
    at: str
    """When it was decided, UTC."""
    loss: Loss
    guards: tuple[Guard, ...]
    before: Scene
    """All as it was when decided: what "restored" is measured against."""
    scope: str
    goals: Mapping[str, Goal]
    """Of what the drill looks at and has an objective of its scope, by name."""
    stops: Stops
    poll_seconds: float
    """How often the world is looked at: the resolution of what is measured."""
    document: str
    """The rendered runbook; the drill does its steps."""
    inputs: Mapping[str, str]
    """SHA-256 of what it was decided from, by name."""

    @property
    def goal(self) -> Goal | None:
        """Of what the drill is of."""
        return self.goals.get(self.of)

    @property
    def host(self) -> str:
        """The lost host, where it is one."""
        return self.loss.hosts[0] if len(self.loss.hosts) == 1 else ""

    @property
    def zone(self) -> str:
        """The zone of what is lost; empty where it is of none."""
        return self.loss.zone

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
        return tuple(f"{self.stack}/{scope}" for scope in self.loss.scopes)

    @property
    def counted(self) -> tuple[str, ...]:
        """Clusters whose requests can be counted: those behind a balancer."""
        return tuple(name for name, group in self.before.groups.items() if group.target_group)

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
        return {**asdict(self), "before": self.before.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DrillPlan:
        """The plan back from its JSON."""
        loss = record["loss"]
        lists = {key: tuple(loss[key]) for key in ("hosts", "databases", "scopes")}
        values = {
            **record,
            "loss": Loss(**{**loss, **lists}),
            "guards": tuple(Guard(**guard) for guard in record["guards"]),
            "before": Scene.from_json(record["before"]),
            "goals": {name: Goal(**goal) for name, goal in record["goals"].items()},
            "stops": Stops(**record["stops"]),
        }
        return cls(**values)
