"""Maintenance of a database in a process of its own, to be killed.

``python -m tests.hosts.database_driver FLEET_FILE``
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from quartermaster.fleet.aws import connect
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.fleet.write_probe import Login, PsqlWriter
from quartermaster.infra.local import client
from quartermaster.playbooks import database_plan, database_run
from quartermaster.playbooks.database_plan import DatabasePlan
from quartermaster.playbooks.database_run import Tools
from quartermaster.playbooks.database_world import CloudDatabase

PASSWORD = "not-a-secret"


class Maintaining:
    """What maintains database ``orders`` on the local cloud of that folder."""

    def __init__(self, file: Path) -> None:
        self.workspace = Workspace(file)
        self.cloud = connect(Fleet(fleet="shop"), "dev", self.workspace)
        self.server = CloudDatabase(self.cloud, "orders")

    @property
    def address(self) -> str:
        found = self.cloud.client("rds").describe_db_instances(DBInstanceIdentifier="orders")
        return str(found["DBInstances"][0]["Endpoint"]["Address"])

    def in_sync(self) -> bool:
        """Whether the database answers and its standby follows it synchronously."""
        rows = client.status(self.workspace)["databases"]
        return bool(rows and rows[0]["standby"]["synchronous"]) and self.server.read().status == "available"

    def plan(self, minor_versions: str = "pinned") -> DatabasePlan:
        fleet = Fleet.model_validate(
            {
                "fleet": "shop",
                "databases": {"orders": {"engine": "postgres", "version": "16"}},
                "patching": {"orders": {"window": "always", "minor_versions": minor_versions}},
            }
        )
        return database_plan.plan(self.server.read(), fleet, "orders", datetime.now(UTC))

    def tools(self, run: str) -> Tools:
        writer = PsqlWriter(Login(self.address, 5432, "orders", "ops", PASSWORD), f"ops_probe_{run}")
        return Tools(self.server, writer, poll_seconds=0.3, begin_seconds=20, act_seconds=300)


if __name__ == "__main__":
    maintaining = Maintaining(Path(sys.argv[1]))
    run = Journal.open(maintaining.workspace.database).start("patch", stack="dev", subject="orders")
    for event in run.record(database_run.run(maintaining.plan(), maintaining.tools("b"))):
        sys.stdout.write(f"{event.kind} {event.step}\n")
        sys.stdout.flush()
    run.finish("done")
