"""The pilot light: in the recovery region everything but running hosts, so that raising its groups is all that is left.

Which fleets have one, ``infra.layout.recovery_layout`` says.
"""

from __future__ import annotations

from collections.abc import Collection

from quartermaster.fleet.schema import Cluster, Fleet
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout

__all__ = ["Recovery", "dormant"]


class Recovery(Component):
    """The recovery region's part of the stack: components made ``around()`` it are made there."""

    def __init__(self, layout: Layout) -> None:
        super().__init__("Recovery", "recovery", region=layout.region)


def dormant(fleet: Fleet, present: Collection[str]) -> Fleet:
    """The fleet as the pilot light has it: no host until somebody raises its groups. Pure.

    Clusters use what is ``present`` in the recovery region.
    """
    return fleet.model_copy(
        update={"clusters": {name: _dormant(cluster, present) for name, cluster in fleet.clusters.items()}}
    )


def _dormant(cluster: Cluster, present: Collection[str]) -> Cluster:
    return cluster.model_copy(
        update={
            "size": cluster.size.model_copy(update={"min": 0}),
            "schedule": (),
            # A warm pool holds hosts, and a forecast of nothing would only warn.
            "scaling": cluster.scaling.model_copy(update={"warm_hosts": 0, "predictive": "off"}),
            "uses": tuple(name for name in cluster.uses if name in present),
        }
    )
