"""The throw-away hosts that ask restored databases: found by their tags, terminated whoever started them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import tag_filters, tags

__all__ = ["TAG_RESTORED", "dismiss", "runners"]

TAG_RESTORED = "ops:restored-from"
"""What RDS calls the original, on all that a restore of it takes."""
_ALIVE = ("pending", "running", "stopping", "stopped", "shutting-down")
_REMOVAL = timedelta(minutes=15)


def runners(cloud: Cloud, original: str, states: Sequence[str] = _ALIVE) -> list[str]:
    """Ids of the hosts that were started to ask what is restored of the instance. Read-only. Raises OpsError."""
    filters = tag_filters({**tags(cloud.fleet, cloud.stack), TAG_RESTORED: original})
    filters.append({"Name": "instance-state-name", "Values": list(states)})
    found = told(lambda: cloud.client("ec2").describe_instances(Filters=filters))["Reservations"]
    return [row["InstanceId"] for reservation in found for row in reservation["Instances"]]


def dismiss(cloud: Cloud, original: str, clock: Clock) -> None:
    """Terminate them, and wait until they are gone: AWS removes no security group that one is in. Idempotent.

    Changes AWS. Raises OpsError when it takes too long.
    """
    ec2, until = cloud.client("ec2"), clock.now() + _REMOVAL
    while hosts := runners(cloud, original):
        if clock.now() > until:
            asked = f"{', '.join(hosts)}, started to ask what is restored of {original}"
            raise OpsError(f"not terminated within {_REMOVAL}: {asked}", remedy="ops backup remove, later")
        told(lambda hosts=hosts: ec2.terminate_instances(InstanceIds=hosts))  # type: ignore[misc]
        clock.sleep(5)
