"""What moving a cluster to the recovery region needs of the world."""

from __future__ import annotations

from typing import Protocol

from quartermaster.fleet.hosts import Group

__all__ = ["Pilot"]


class Pilot(Protocol):
    """The recovery region of a stack, and the names over both regions."""

    region: str
    """Empty where the fleet declares none."""

    def group(self, cluster: str) -> Group | None:
        """The cluster's group there; None where the stack has no pilot light. Read-only."""
        ...

    def resize(self, group: Group, floor: int) -> None:
        """Let it have so many hosts."""
        ...

    def name(self, cluster: str) -> str:
        """Under which the cluster is asked; empty: none."""
        ...

    def check(self, cluster: str) -> str:
        """The health check that leads the name away; empty: none. Read-only."""
        ...

    def inverted(self, cluster: str) -> bool:
        """Whether the name is led away on purpose. Read-only."""
        ...

    def lead_away(self, cluster: str, *, away: bool) -> None:
        """Lead the name there, or let it follow its health check again."""
        ...

    def leads(self, cluster: str) -> str:
        """Where the name leads: here, there, or nowhere. Read-only."""
        ...

    def answers(self, cluster: str) -> str:
        """What a client of the name gets now: a status, or why none. Read-only."""
        ...
