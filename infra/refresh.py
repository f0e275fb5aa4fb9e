"""Which alarms send a replacement of a cluster's hosts back.

Replacing is not part of `ops provision up`: a new template version replaces nobody, whatever the method. `ops patch
run` starts the instance refresh, in the window, judged at its checkpoints (docs/adr/0016-replacing-hosts.md).
"""

from __future__ import annotations

from quartermaster.fleet.schema import Fleet
from quartermaster.infra.alarms import alarms
from quartermaster.infra.layout import Layout

__all__ = ["stopping_alarms"]


def stopping_alarms(fleet: Fleet, layout: Layout, cluster: str) -> tuple[str, ...]:
    """Names of the alarms that stop a replacement and send it back: those on what users of the cluster feel. Pure."""
    felt = [alarm for alarm in alarms(fleet, layout) if alarm.of == cluster and alarm.signal in ("errors", "latency")]
    return tuple(layout.name(alarm.name, limit=255) for alarm in felt)
