"""What forbids a run to go on, seen in the world as it is now. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from quartermaster.fleet.hosts import Group
from quartermaster.playbooks.patch import health_faults
from quartermaster.playbooks.patch_plan import Wave

__all__ = ["crowded", "moved"]


def moved(planned: Iterable[str], group: Group, *, refresh_running: bool) -> list[str]:
    """How the group no longer has the hosts that were planned with, by id, and what ails it."""
    planned, there = set(planned), {host.id for host in group.hosts}
    return [
        *health_faults(group, refresh_running),
        *(f"{host} is new" for host in sorted(there - planned)),
        *(f"{host} is gone" for host in sorted(planned - there)),
    ]


def crowded(wave: Wave, group: Group, leaving: int) -> str:
    """Why ``leaving`` hosts of the wave may not leave service now; empty when they may."""
    serving = sum(host.serving for host in group.hosts)
    left, needed = serving - leaving, max(1, wave.needed or 0)
    if not leaving:
        return ""
    if left < needed:
        return f"wave {wave.number} would leave {left} of {serving} serving hosts, {needed} are needed"
    # Each host that is missing of those planned may be one of those that a lost zone would leave.
    after_loss = (wave.left_after_loss or 0) - max(0, wave.left - left)
    if wave.needed_after_loss is not None and after_loss < wave.needed_after_loss:
        return (
            f"wave {wave.number} would leave {after_loss} hosts when a zone is lost, "
            f"{wave.needed_after_loss} are needed"
        )
    return ""
