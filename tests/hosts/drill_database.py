"""Database ``orders`` on a local cloud of its own, made with plain boto3, to be failed over by drills.

In a process of its own, to be killed: ``python -m tests.hosts.drill_database FLEET_FILE``, the plan on its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.databases import Databases, DatabaseState
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.names import physical
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.fleet.write_probe import Login, PsqlWriter
from quartermaster.infra.local import client
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.plan import DrillPlan
from tests.hosts.local_cluster import LocalCluster, network, wait

PASSWORD = "not-a-secret"
INSTANCE = physical("drills", "dev", "orders")


@dataclass(frozen=True)
class DrillDatabase:
    """The database and what drills it."""

    fleet: Fleet
    workspace: Workspace
    cloud: Cloud

    @classmethod
    def at(cls, file: Path) -> DrillDatabase:
        """The one of the local cloud that runs beside that fleet.yaml."""
        fleet, workspace = load_fleet(file), Workspace(file)
        return cls(fleet, workspace, connect(fleet, "dev", workspace))

    @property
    def databases(self) -> Databases:
        return Databases(self.cloud, {"orders": INSTANCE})

    @property
    def state(self) -> DatabaseState:
        return self.databases.state("orders")

    @property
    def hands(self) -> Hands:
        return Hands(
            hosts=Hosts(self.cloud), faults=self, clock=SystemClock(), databases=self.databases, writer=self.writer
        )

    def writer(self, database: str) -> PsqlWriter:
        login = Login(self.state.address, 5432, "orders", "ops", PASSWORD)
        return PsqlWriter(login, f"ops_probe_{database}")

    def plan(self, way: str = "") -> DrillPlan:
        scene, now = drill.see("failover", "orders", self.fleet, self.hands), datetime.now(UTC)
        return drill.plan(
            "failover", "orders", scene=scene, fleet=self.fleet, stack="dev", now=now, way=way, right_now=True
        )

    def fail_over(self, instance: str) -> None:
        client.kill_database(self.workspace, instance)

    def fail_zone(self, zone: str) -> None:
        client.fail_zone(self.workspace, zone)

    def heal_zone(self, zone: str) -> None:
        client.heal_zone(self.workspace, zone)

    def kill_host(self, host_id: str) -> None:
        raise NotImplementedError

    def ask(self, query: str, address: str = "") -> str:
        """What the database answers, or the server at that address."""
        where = f"host={address or self.state.address} user=ops dbname=orders sslmode=require connect_timeout=3"
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(
            ["psql", where, "-XAtqc", query], capture_output=True, text=True, check=False, env=environment
        )
        return done.stdout.strip() if done.returncode == 0 else f"no answer: {done.stderr.strip()}"

    def standby(self) -> Any:
        """The local cloud's word about the standby; None when there is none."""
        (row,) = (row for row in client.status(self.workspace)["databases"] if row["name"] == INSTANCE)
        return row["standby"]


@contextmanager
def drill_database(folder: Path, *, timing: str) -> Iterator[DrillDatabase]:
    """The database, its standby in sync; nothing of it is left afterwards."""
    (folder / "fleet.yaml").write_text(
        "fleet: drills\nregion: eu-west-1\ndatabases: {orders: {engine: postgres}}\n"
        "recovery: {orders: {zone: {rto: 5m, rpo: 0s}}}\n",
        encoding="utf-8",
    )
    workspace = Workspace(folder / "fleet.yaml")
    try:
        client.ensure_running(workspace, "drills", timing)
        local = LocalCluster(workspace)
        network(local)
        rds = local.api("rds")
        rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=local.subnets[:2])
        rds.create_db_instance(
            DBInstanceIdentifier=INSTANCE, Engine="postgres", EngineVersion="16.9", DBInstanceClass="db.m6i.large",
            AllocatedStorage=20, DBName="orders", MasterUsername="ops", MasterUserPassword=PASSWORD, MultiAZ=True,
            DBSubnetGroupName="g", BackupRetentionPeriod=0,
        )  # fmt: skip
        made = DrillDatabase.at(workspace.fleet_file)
        wait(lambda: made.state.whole)
        yield made
    finally:
        client.down(workspace)


if __name__ == "__main__":
    database = DrillDatabase.at(Path(sys.argv[1]))
    journal = Journal.open(database.workspace.database)
    plan = DrillPlan.from_json(json.load(sys.stdin))
    for event in drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=database.hands):
        sys.stdout.write(f"{event.kind} {event.step}\n")
        sys.stdout.flush()
