"""How long a host takes from launch to serving, as the drills of this stack measured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow

__all__ = ["lead_measured"]

_PHASES = ("act", "converge")
"""Of a drill that loses a host: from the launch of its replacement until that serves."""
_RUNS = 5
_LEAST = 1.0


def lead_measured(runs: Iterable[RunRow]) -> Mapping[str, float]:
    """Minutes by cluster: the slowest of its last drills, as a plan must bear that one too. ``runs`` newest first."""
    found: dict[str, list[float]] = {}
    for row in runs:
        result = row.result or {}
        phases = result.get("rto_phases")
        if (
            result.get("kind") != "instance_loss"
            or result.get("rto_seconds") is None
            or not isinstance(phases, Mapping)
        ):
            continue
        if not all(isinstance(phases.get(phase), int | float) for phase in _PHASES):
            continue
        found.setdefault(str(result.get("of")), []).append(sum(float(phases[phase]) for phase in _PHASES) / 60)
    return {cluster: round(max(_LEAST, *minutes[:_RUNS]), 2) for cluster, minutes in found.items()}
