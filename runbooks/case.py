"""Values between the parts of a drill: what is asked and known, what a kind chose to lose, what a guard answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.scene import Scene

__all__ = ["Case", "Demand", "Guard", "Known", "Loss"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What users are expected to ask of a cluster at the hour of the drill."""

    per_second: float
    """The upper quantile of the forecast."""
    unit_capacity: float
    """Demand per second that one host carries at the cluster's target utilisation."""
    quantile: float = 0.99
    source: str = "forecast"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard's answer."""

    name: str
    verdict: str
    """holds, unknown (a warning), overridden or refused."""
    found: str
    remedy: str = ""
    """What the user can do; empty when it holds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What guards ask for besides the scene. What is not known makes a warning, not a refusal."""

    demand: Mapping[str, Demand] = field(default_factory=dict)
    """By cluster."""
    alarms: tuple[str, ...] | None = None
    """Names of the stack's alarms that fire; None: nobody asked."""
    unstoppable: str = ""
    """Why no alarm on AWS would stop a fault; empty: some would, or the stack is a local one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A drill that is asked for, and all that deciding it needs."""

    of: str
    fleet: Fleet
    stack: str
    now: datetime
    scene: Scene
    known: Known = field(default_factory=Known)
    way: str = ""
    """One of the kind's ways; empty where it has none."""

    @property
    def target(self) -> str:
        """local or aws."""
        return self.fleet.stacks[self.stack].target


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a kind chose to lose or to try, and why."""

    what: str
    """For people: ``host i-0abc in eu-west-1a``."""
    why: str
    runner_up: str
    """The next best, and why not."""
    hosts: tuple[str, ...] = ()
    """Ids of hosts that will be lost."""
    zone: str = ""
    databases: tuple[str, ...] = ()
    """Those that will be touched."""
    scopes: tuple[str, ...] = ()
    """What the drill must hold leases on, below the stack: ``cluster/web``."""
    names: Mapping[str, Json] = field(default_factory=dict)
    """The live names for the kind's document."""
