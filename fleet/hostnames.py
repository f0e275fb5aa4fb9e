"""Under which DNS names the clusters of a stack are reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["host_names"]


def host_names(fleet: Fleet, stack: str) -> dict[str, str]:
    """Name by cluster with a balancer: the first is ``dns.name`` in the zone, each other is called as its cluster.

    Several stacks on aws share the zone: the plain names are those of the protected one (else of the first), and the
    others' end in the stack's name, as in www-test.shop.example. A local stack has a zone
    of its own. Empty without dns.
    """
    if fleet.dns is None:
        return {}
    on_aws = [name for name, declared in fleet.stacks.items() if declared.target == "aws"]
    plain = min(on_aws, key=lambda name: not fleet.stacks[name].protect, default=stack)
    ending = f"-{stack}" if stack in on_aws and stack != plain else ""
    balanced = [name for name, cluster in fleet.clusters.items() if cluster.balancer is not None]
    first = dict.fromkeys(balanced[:1], fleet.dns.name)
    return {name: f"{first.get(name, name)}{ending}.{fleet.dns.zone}" for name in balanced}
