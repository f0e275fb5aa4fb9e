"""A kind of drill: all that the engine must know of it, as one value. The engine knows no kind by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.acts import Command, Hands
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.document import Call
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe
from quartermaster.runbooks.scene import Subjects

__all__ = ["Kind", "Meter", "itself"]


class Meter:
    """Measures beside the steps of a drill, from before the first to the block's end. This one measures nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.halt()

    def read(self) -> Mapping[str, Json]:
        """What was measured until now, asked at every look: ``World.measured``, and ``detail`` of the evidence."""
        return {}

    def end(self) -> Mapping[str, Json]:
        """What only the end shows; ``rpo_seconds`` of it stands at the evidence's head. Raises OpsError."""
        return {}

    def halt(self) -> None:
        """Measure no more. Idempotent; also when the drill was cut short."""


def itself(fleet: Fleet, of: str) -> Subjects:
    """The cluster or database that the drill is of, and nothing else."""
    return Subjects((of,), ()) if of in fleet.clusters else Subjects((), (of,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of drill. Its document is ``documents/NAME.md.j2``; the first step with a phase makes the fault."""

    name: str
    of: tuple[Literal["cluster", "database", "fleet"], ...]
    scope: Literal["zone", "region", "data_loss", ""]
    """Whose objective it proves; empty: none's."""
    limits: Mapping[str, int]
    """Seconds until a step's probe must hold, by step."""
    names: Mapping[str, Json]
    """Names of its own that the document uses, as they show before there is a stack."""
    choose: Callable[[Case], Loss]
    """What to lose. Pure."""
    commands: Mapping[str, Command] = field(default_factory=dict)
    rollbacks: Mapping[str, Command] = field(default_factory=dict)
    """Each reads the world first: done twice is once."""
    probes: Mapping[str, Probe] = field(default_factory=dict)
    guards: Callable[[Case, Loss], tuple[Guard, ...]] = lambda _case, _loss: ()
    """Those beyond what holds for every drill. Pure."""
    subjects: Callable[[Fleet, str], Subjects] = itself
    """What it looks at."""
    look: Callable[[Hands, str], Mapping[str, Json]] = lambda _hands, _of: {}
    """What it sees besides groups and databases, at every look (``Scene.extra``). Read-only."""
    measure: Callable[[DrillPlan, Hands], Meter] = lambda _plan, _hands: Meter()
    """Begins to measure beside the steps."""
    milestones: Callable[[DrillPlan], Mapping[str, Mapping[str, Call]]] = lambda _plan: {}
    """Subject → phase → the probe that ends it: the recovery time of each where a drill hits several."""
    harmless: bool = False
    """Users are to notice nothing: it is stopped as soon as more than a request in a hundred fails."""
    ends_on_aws: str = ""
    """What ends its fault on AWS whatever becomes of us; empty: nothing does, so it is refused there."""
    ways: tuple[str, ...] = ()
    """In how many ways it can be run; the first unless asked otherwise."""
