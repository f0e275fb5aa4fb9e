"""Every kind of drill, by name: the one place that lists them."""

from __future__ import annotations

from collections.abc import Mapping

from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import (
    failover,
    instance_loss,
    region_failover,
    restore,
    tabletop,
    zone_evacuation,
    zone_outage,
)

__all__ = ["KINDS"]

_ALL = (
    instance_loss.KIND,
    zone_evacuation.KIND,
    zone_outage.KIND,
    failover.KIND,
    region_failover.KIND,
    restore.KIND,
    tabletop.KIND,
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
