"""How long a host takes from launch to serving, as the drills of this stack measured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow

__all__ = ["lead_measured"]

_LEAST = 1.0


def lead_measured(runs: Iterable[RunRow]) -> Mapping[str, float]:
    """Minutes by cluster: the slowest of its last drills, as a plan must bear that one too. ``runs`` newest first."""
    from quartermaster.runbooks.lint import ready

    found = ready(row.result or {} for row in runs)
    return {cluster: round(max(_LEAST, seconds / 60), 2) for cluster, seconds in found.items()}
