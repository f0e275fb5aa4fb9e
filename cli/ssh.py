"""How hosts of the session's stack are reached, as the inventory that playbooks take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.hosts import Group
    from quartermaster.playbooks.inventory import Inventory

__all__ = ["inventory"]


def inventory(ops: Session, groups: Sequence[Group]) -> Inventory:
    """The inventory of the groups: ssh on the local cloud, ssh inside an SSM session on aws."""
    from quartermaster.infra.keys import private_key
    from quartermaster.playbooks.inventory import SshFacts, from_groups

    facts = SshFacts(
        key=private_key(ops.workspace),
        known_hosts=ops.workspace.folder("local") / "ssh" / f"known_hosts-{ops.stack}",
        session_manager=ops.cloud.target == "aws",
        region=ops.fleet.region,
    )
    roles = {name: cluster.role for name, cluster in ops.fleet.clusters.items()}
    return from_groups(groups, roles, facts)
