"""A replacement in a process of its own, to be killed; prints each event.

``python -m tests.hosts.replace_driver FLEET_FILE``
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from quartermaster.fleet.aws import connect
from quartermaster.fleet.hosts import Hosts, Requests
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.playbooks import replace, replace_run
from quartermaster.playbooks.replace_plan import ReplacePlan
from quartermaster.playbooks.replace_run import Tools
from quartermaster.playbooks.replace_world import CloudRefreshes

POLICY = {"method": "replace", "window": "always", "canary": 1, "wave": 2, "soak_minutes": 0}
FLEET = {
    "fleet": "shop",
    "clusters": {"web": {"balancer": {}}},
    "patching": {"web": {**POLICY, "gate": {"min_requests": 10}}},
}


class Replacing:
    """What replaces the hosts of cluster ``web`` on the local cloud of that folder."""

    def __init__(self, file: Path) -> None:
        self.workspace = Workspace(file)
        self.cloud = connect(Fleet.model_validate(FLEET), "dev", self.workspace)
        self.world = CloudRefreshes(self.cloud, Hosts(self.cloud), "web")

    def read(self, cluster: str) -> Requests:
        return client.requests(self.workspace, cluster)

    def plan(self) -> ReplacePlan:
        fleet, world = Fleet.model_validate(FLEET), self.world
        return replace.plan(world.group(), fleet, world.launched(), datetime.now(UTC), history=world.history())

    def tools(self) -> Tools:
        return Tools(self.world, self, poll_seconds=0.5)


if __name__ == "__main__":
    replacing = Replacing(Path(sys.argv[1]))
    run = Journal.open(replacing.workspace.database).start("patch", stack="dev", subject="web")
    for event in run.record(replace_run.run(replacing.plan(), replacing.tools())):
        sys.stdout.write(f"{event.kind} {event.step} {event.host}\n")
        sys.stdout.flush()
    run.finish("done")
