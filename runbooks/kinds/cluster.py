"""What the kinds that are of a cluster share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC

from quartermaster.runbooks.case import Case

__all__ = ["NAMES", "day_of", "lot", "names"]

NAMES: Mapping[str, str] = {
    "group": "GROUP",
    "serving": "0",
    "balancer": "none",
    "target_group": "TARGET-GROUP",
}
"""Names for the document, as they show before there is a stack."""


def names(case: Case) -> dict[str, str]:
    """The live ones. Pure."""
    group = case.scene.groups[case.of]
    balancer = case.fleet.clusters[case.of].balancer
    described = "none"
    if balancer:
        described = f"{balancer.kind}, {balancer.algorithm}, port {balancer.port}, health {balancer.health}"
    return {
        "group": group.name,
        "serving": str(sum(host.serving for host in group.hosts)),
        "balancer": described,
        "target_group": group.target_group or "none",
    }


def day_of(case: Case) -> str:
    """The day for which lots are drawn. Pure."""
    return case.now.astimezone(UTC).date().isoformat()


def lot(of: str, day: str, one: str) -> str:
    """What one of several draws: the least is chosen. Pure.

    By a stable hash, not at random: the same day gives the same plan, and nothing is spared for ever.
    """
    return hashlib.sha256(f"{of}/{day}/{one}".encode()).hexdigest()
