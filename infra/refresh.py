"""How a cluster's hosts are replaced when what they start as has changed: the group's instance refresh.

The AWS provider names the new template to the group before it starts the refresh, so a failed `up` stops half-way and
the next one, with the old template, leads back: AWS's own rollback knows the group's template at the start as the one
to go back to. Who starts a refresh with the new version as its desired configuration has that way back too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.schema.planning import Patching
from quartermaster.infra.alarms import alarms
from quartermaster.infra.layout import Layout

__all__ = ["instance_refresh", "stopping_alarms"]

_USUAL = 90
"""AWS's own, where no share can be told: the pilot light has no hosts."""


def stopping_alarms(fleet: Fleet, layout: Layout, cluster: str) -> tuple[str, ...]:
    """Names of the alarms that stop a replacement and send it back: those on what users of the cluster feel. Pure.

    The pilot light has none: nobody uses it.
    """
    felt = [alarm for alarm in alarms(fleet, layout) if alarm.of == cluster and alarm.signal in ("errors", "latency")]
    return () if layout.recovery else tuple(layout.name(alarm.name, limit=255) for alarm in felt)


def instance_refresh(
    patching: Patching | None, floor: int, *, warmup: int, stops: Sequence[str] = ()
) -> dict[str, Any] | None:
    """The group's ``instance_refresh``; None where hosts are patched in place, and a new template replaces nobody.

    The canary and a wave are counted in hosts of a group at its floor, the smallest it has: AWS counts in percent,
    and a larger group then replaces more at a time and keeps the same share in service. ``stops``: alarms that end it.
    Pure.
    """
    if patching is None or patching.method != "replace":
        return None
    preferences: dict[str, Any] = {
        "min_healthy_percentage": _healthy(patching, floor),
        "instance_warmup": str(warmup),
        "skip_matching": True,
        # A host in standby or protected is somebody's work: wait for it rather than pull it away.
        "standby_instances": "Wait",
        "scale_in_protected_instances": "Wait",
        "auto_rollback": True,
    }
    if stops:
        preferences["alarm_specification"] = {"alarms": list(stops)}
    if 0 < patching.canary < floor:
        # Rounded down, as AWS rounds the hosts of a percentage up.
        preferences["checkpoint_percentages"] = [max(1, 100 * patching.canary // floor), 100]
        preferences["checkpoint_delay"] = str(patching.soak_minutes * 60)
    return {"strategy": "Rolling", "preferences": preferences}


def _healthy(patching: Patching, floor: int) -> int:
    """Percent of the group that serves while a wave is replaced."""
    wave = patching.wave
    if wave.percent:
        return max(0, 100 - wave.amount)
    return 100 - 100 * wave.of(floor) // floor if floor else _USUAL
