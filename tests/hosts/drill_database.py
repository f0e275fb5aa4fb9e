"""Database ``orders`` on a local cloud of its own, made with plain boto3, to be failed over by drills."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from tests.hosts.drilled import ORDERS, PASSWORD, Drilled, make_database
from tests.hosts.local_cluster import LocalCluster, network, wait


class DrillDatabase(Drilled):
    """Database ``orders``."""

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
        (row,) = (row for row in client.status(self.workspace)["databases"] if row["name"] == ORDERS)
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
        made = DrillDatabase.at(workspace.fleet_file)
        make_database(made.cloud, local.subnets[:2])
        wait(lambda: made.state.whole)
        yield made
    finally:
        client.down(workspace)
