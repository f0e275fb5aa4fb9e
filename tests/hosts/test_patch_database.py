"""Maintenance of a real PostgreSQL with its standby: settings by a failover, measured; a controller killed in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from quartermaster.fleet.journal import Journal
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.playbooks import database_run
from quartermaster.playbooks.database_result import outcome
from tests.hosts.apart import apart
from tests.hosts.database_driver import PASSWORD, Maintaining
from tests.hosts.local_cluster import LocalCluster, network, wait

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def maintaining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maintaining]:
    workspace = Workspace(tmp_path_factory.mktemp("maintained") / "fleet.yaml")
    try:
        client.ensure_running(workspace, "database", "instant")
        _create(LocalCluster(workspace))
        made = Maintaining(workspace.fleet_file)
        wait(made.in_sync)
        yield made
    finally:
        client.down(workspace)


def _create(cloud: LocalCluster) -> None:
    network(cloud)
    rds = cloud.api("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=cloud.subnets[:2])
    rds.create_db_parameter_group(DBParameterGroupName="p", DBParameterGroupFamily="postgres16", Description="p")
    rds.create_db_instance(
        DBInstanceIdentifier="orders", Engine="postgres", EngineVersion="16.9", DBInstanceClass="db.m6i.large",
        AllocatedStorage=20, DBName="orders", MasterUsername="ops", MasterUserPassword=PASSWORD, MultiAZ=True,
        DBSubnetGroupName="g", DBParameterGroupName="p", BackupRetentionPeriod=0,
    )  # fmt: skip


def say(maintaining: Maintaining, value: int) -> None:
    """Let the parameter group ask for so many connections, which a restart alone brings in."""
    row = {"ParameterName": "max_connections", "ParameterValue": str(value), "ApplyMethod": "pending-reboot"}
    maintaining.cloud.client("rds").modify_db_parameter_group(DBParameterGroupName="p", Parameters=[row])


def ask(maintaining: Maintaining, query: str) -> str:
    where = f"host={maintaining.address} user=ops dbname=orders sslmode=require connect_timeout=5"
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    done = subprocess.run(["psql", where, "-XAtqc", query], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_settings_wait_for_the_standby_to_take_over_and_no_confirmed_write_is_lost(maintaining: Maintaining) -> None:
    ask(maintaining, "create table kept (n int); insert into kept values (1)")
    before, address = maintaining.server.read(), maintaining.address
    say(maintaining, 71)
    assert maintaining.server.read().pending_reboot
    assert ask(maintaining, "show max_connections") == "60"
    plan = maintaining.plan()
    found = outcome(database_run.run(plan, maintaining.tools("a")), run="a")
    wait(maintaining.in_sync)
    after = maintaining.server.read()
    assert (found["state"], found["measured_by"], found["lost_writes"]) == ("done", "writes", 0), found
    assert 0.3 < found["failover_seconds"] < 300
    assert found["requests"]["sent"] > found["requests"]["failed"] and found["acts"][0]["moved"]
    assert (after.zone, after.standby_zone, after.pending_reboot) == (before.standby_zone, before.zone, False)
    assert maintaining.address == address
    assert ask(maintaining, "show max_connections") == "71"
    assert ask(maintaining, "select n from kept") == "1"
    assert ask(maintaining, "select count(*) from pg_tables where tablename like 'ops_probe%'") == "0"


def test_a_controller_killed_in_a_failover_goes_on_and_fails_over_once(maintaining: Maintaining) -> None:
    wait(maintaining.in_sync)
    zone, told = maintaining.server.read().zone, failovers(maintaining)
    say(maintaining, 72)
    with apart("database_driver", maintaining.workspace.fleet_file) as child:
        wait(lambda: maintaining.server.read().status == "rebooting")
        child.kill()
    journal = Journal.open(maintaining.workspace.database)
    row = journal.runs("patch")[0]
    assert row.interrupted
    past = [recorded.event for recorded in journal.events(row.id)]
    list(journal.resume(row.id).record(database_run.resume(past, maintaining.tools("b"))))
    found = outcome((recorded.event for recorded in journal.events(row.id)), run=row.id)
    assert (found["state"], found["hosts"][0]["state"], found["measured_by"]) == ("done", "patched", "events"), found
    assert found["failover_seconds"] > 0.3
    assert failovers(maintaining) == told + 1
    assert maintaining.server.read().zone != zone
    assert ask(maintaining, "show max_connections") == "72"
    assert ask(maintaining, "select n from kept") == "1"


def test_a_minor_version_comes_by_a_restart_where_the_fleet_takes_it(maintaining: Maintaining) -> None:
    wait(maintaining.in_sync)
    found = outcome(database_run.run(maintaining.plan("automatic"), maintaining.tools("c")), run="c")
    assert (found["state"], found["lost_writes"], maintaining.server.read().version) == ("done", 0, "16.10"), found
    assert found["acts"][0]["name"] == "maintenance:db-upgrade"
    assert maintaining.plan("automatic").acts == ()


def test_rds_refuses_what_aws_refuses(maintaining: Maintaining) -> None:
    rds = maintaining.cloud.client("rds")
    wait(lambda: maintaining.server.read().status == "available")
    rds.reboot_db_instance(DBInstanceIdentifier="orders")
    with pytest.raises(rds.exceptions.ClientError, match="not in available state"):
        rds.reboot_db_instance(DBInstanceIdentifier="orders", ForceFailover=True)
    wait(lambda: maintaining.server.read().status == "available")
    rds.modify_db_instance(DBInstanceIdentifier="orders", MultiAZ=False, ApplyImmediately=True)
    with pytest.raises(rds.exceptions.ClientError, match="not a Multi-AZ"):
        rds.reboot_db_instance(DBInstanceIdentifier="orders", ForceFailover=True)


def failovers(maintaining: Maintaining) -> int:
    """How often the database has failed over, as RDS tells."""
    found: list[dict[str, Any]] = maintaining.cloud.client("rds").describe_events(
        SourceIdentifier="orders", SourceType="db-instance"
    )["Events"]
    return sum("failover completed" in event["Message"] for event in found)
