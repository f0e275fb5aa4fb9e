"""How hosts of the session's stack are reached, as the inventory that playbooks take."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import MissingPart

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.hosts import Group
    from quartermaster.playbooks.inventory import Inventory
    from quartermaster.playbooks.remote import SshMachines

__all__ = ["inventory", "machines_of", "stack_bucket"]

_SESSION_PARTS = {
    "aws": "AWS's command line",
    "session-manager-plugin": "the plugin by which AWS's command line opens sessions",
}


def inventory(ops: Session, groups: Sequence[Group]) -> Inventory:
    """The inventory of the groups: ssh on the local cloud, ssh inside an SSM session on aws.

    Reads the SSH keys that hosts said at launch. Raises MissingPart where sessions cannot be opened from here.
    """
    from quartermaster.infra.keys import private_key
    from quartermaster.playbooks.host_keys import learn
    from quartermaster.playbooks.inventory import SshFacts, from_groups

    sessions = ops.cloud.target == "aws"
    missing = [what for name, what in _SESSION_PARTS.items() if sessions and shutil.which(name) is None]
    if missing:
        raise MissingPart(
            f"hosts on aws are reached over SSM sessions, and {' and '.join(missing)} is not installed here",
            remedy="install AWS CLI 2 and session-manager-plugin, and see that both are on PATH",
        )
    facts = SshFacts(
        key=private_key(ops.workspace),
        known_hosts=ops.workspace.folder("local") / "ssh" / f"hosts-{ops.stack}",
        session_manager=sessions,
        region=ops.fleet.region,
    )
    roles = {name: cluster.role for name, cluster in ops.fleet.clusters.items()}
    found = from_groups(groups, roles, facts)
    bucket, account = stack_bucket(ops)
    learn(found, ops.cloud.client("s3"), bucket=bucket, region=ops.fleet.region, account=account)
    return found


def machines_of(ops: Session, group: Group) -> SshMachines:
    """The group's hosts; connections that were kept when they were asked last are used again."""
    from quartermaster.playbooks.remote import SshMachines

    if group.cluster not in ops.machines:
        ops.machines[group.cluster] = SshMachines(inventory(ops, [group]))
    return ops.machines[group.cluster]


def stack_bucket(ops: Session) -> tuple[str, str]:
    """The bucket with the stack's bundles and host keys, and the account that it is in."""
    from quartermaster.fleet.aws import LOCAL_ACCOUNT
    from quartermaster.infra.layout import bucket_name, layout

    account = ops.declared.account or LOCAL_ACCOUNT
    return bucket_name(layout(ops.fleet, ops.stack), account), account
