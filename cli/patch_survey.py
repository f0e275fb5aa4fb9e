"""Asking a cluster's hosts what is pending, and keeping what they say: ages and ``ops patch status`` go by it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from quartermaster.cli.output import say

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.hosts import Group
    from quartermaster.playbooks.machine import Survey

__all__ = ["surveyed"]


def surveyed(ops: Session, found: Group) -> Mapping[str, Survey]:
    """What is pending by host, asked of all at once, with the time each update was first seen. Writes both down."""
    from quartermaster.cli.ssh import inventory
    from quartermaster.playbooks.compliance_store import Readings
    from quartermaster.playbooks.machine import HostTrouble, Survey
    from quartermaster.playbooks.remote import SshMachines
    from quartermaster.playbooks.sightings import Sightings

    machines = SshMachines(inventory(ops, [found]))

    def ask(host_id: str) -> Survey:
        machine = machines.open(host_id)
        try:
            return machine.survey()
        except HostTrouble as error:
            return Survey(error=error.message)
        finally:
            machine.close()

    ids = [host.id for host in found.hosts]
    say(f"asking {len(ids)} hosts what is pending")
    with ThreadPoolExecutor(max_workers=16) as pool:
        asked = dict(zip(ids, pool.map(ask, ids), strict=True))
    now = ops.clock.now()
    dated = Sightings(ops.journal.engine).remember(asked, now)
    Readings(ops.journal.engine).keep(ops.stack, found.cluster, found.hosts, dated, now)
    return dated
