"""Every kind of drill, by name: the one place that lists them."""

from __future__ import annotations

from collections.abc import Mapping

from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.kinds import failover, instance_loss, zone_outage

__all__ = ["KINDS"]

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (instance_loss.KIND, failover.KIND, zone_outage.KIND)}
