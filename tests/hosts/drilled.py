"""What drills on a local cloud are run with, there made by plain boto3: cluster ``web``, database ``orders``, or both.

A drill in a process of its own, that kills itself: ``python -m tests.hosts.drilled FLEET_FILE EVENT``, plan on stdin.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.databases import Databases, DatabaseState
from quartermaster.fleet.hosts import Hosts, Requests
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.names import physical
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.fleet.write_probe import Login, PsqlWriter
from quartermaster.infra.local import client
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.plan import DrillPlan

PASSWORD = "not-a-secret"
ORDERS = physical("drills", "dev", "orders")


@dataclass(frozen=True)
class Drilled:
    """Fleet ``drills`` on its local cloud, and the hands of its drills."""

    fleet: Fleet
    workspace: Workspace
    cloud: Cloud

    @classmethod
    def at(cls, file: Path) -> Self:
        """The one of the local cloud that runs beside that fleet.yaml."""
        fleet, workspace = load_fleet(file), Workspace(file)
        return cls(fleet, workspace, connect(fleet, "dev", workspace))

    @cached_property
    def hosts(self) -> Hosts:
        return Hosts(self.cloud)

    @cached_property
    def databases(self) -> Databases:
        return Databases(self.cloud, {"orders": ORDERS})

    @property
    def state(self) -> DatabaseState:
        return self.databases.state("orders")

    @property
    def hands(self) -> Hands:
        return Hands(
            hosts=self.hosts, faults=self, clock=SystemClock(), counter=self, databases=self.databases,
            writer=self.writer,
        )  # fmt: skip

    def writer(self, name: str) -> PsqlWriter:
        """To database ``orders``, into a table called after ``name``."""
        return PsqlWriter(Login(self.state.address, 5432, "orders", "ops", PASSWORD), f"ops_probe_{name}")

    def plan(self, kind: str, of: str = "web", *, way: str = "") -> DrillPlan:
        """A drill, now."""
        scene, now = drill.see(kind, of, self.fleet, self.hands), datetime.now(UTC)
        return drill.plan(
            kind, of, scene=scene, fleet=self.fleet, stack="dev", now=now, way=way, right_now=True
        )  # fmt: skip

    def killed(self, plan: DrillPlan, after: str) -> None:
        """Run the drill in a process that dies, as by ``kill -9``, right after it has written that event down."""
        command = [sys.executable, "-m", "tests.hosts.drilled", str(self.workspace.fleet_file), after]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, input=json.dumps(plan.to_json()), text=True, check=False, cwd=root)
        assert done.returncode == -signal.SIGKILL

    def recovered(self) -> DrillResult:
        """What ``ops drill recover`` makes of the drill that was killed."""
        journal = Journal.open(self.workspace.database)
        (row,) = [row for row in drill.unfinished(journal) if row.interrupted]
        result = result_of(drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=self.hands))
        assert journal.run(row.id).state == "recovered"
        assert Leases(journal.engine).held() == []
        assert drill.unfinished(journal) == []
        journal.engine.dispose()
        return result

    def fail_over(self, instance: str) -> None:
        client.kill_database(self.workspace, instance)

    def fail_zone(self, zone: str) -> None:
        client.fail_zone(self.workspace, zone)

    def heal_zone(self, zone: str) -> None:
        client.heal_zone(self.workspace, zone)

    def kill_host(self, host_id: str) -> None:
        client.kill_host(self.workspace, host_id)

    def read(self, cluster: str) -> Requests:
        return client.requests(self.workspace, physical("drills", "dev", cluster, limit=32))


def result_of(events: Iterator[object]) -> DrillResult:
    """The drill's result, at its end."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            assert isinstance(end.value, DrillResult)
            return end.value


def make_database(cloud: Cloud, subnets: Sequence[str]) -> None:
    """Let RDS make ``orders`` with its standby, empty and without backups."""
    rds = cloud.client("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=list(subnets))
    rds.create_db_instance(
        DBInstanceIdentifier=ORDERS, Engine="postgres", EngineVersion="16.9", DBInstanceClass="db.m6i.large",
        AllocatedStorage=20, DBName="orders", MasterUsername="ops", MasterUserPassword=PASSWORD, MultiAZ=True,
        DBSubnetGroupName="g", BackupRetentionPeriod=0,
    )  # fmt: skip


def _main(file: str, after: str) -> None:
    drilled, plan = Drilled.at(Path(file)), DrillPlan.from_json(json.load(sys.stdin))
    journal = Journal.open(drilled.workspace.database)
    for event in drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=drilled.hands):
        if f"{event.kind} {event.step}" == after:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _main(*sys.argv[1:])
