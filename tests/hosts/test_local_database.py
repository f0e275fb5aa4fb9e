"""The local cloud's PostgreSQL does what its parameter group and its login's rotation say. No hosts are started."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client
from quartermaster.infra.login import ROTATION
from tests.hosts.local_cluster import LocalCluster, free_cidr, wait

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    workspace = Workspace(tmp_path_factory.mktemp("database") / "fleet.yaml")
    try:
        client.ensure_running(workspace, "database", "instant")
        made = LocalCluster(workspace)
        _database(made)
        yield made
    finally:
        client.down(workspace)


def _database(cloud: LocalCluster) -> None:
    ec2, rds = cloud.api("ec2"), cloud.api("rds")
    cidr = free_cidr()
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    base = cidr.rsplit(".", 2)[0]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"{base}.{number}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    ids = [subnet["SubnetId"] for subnet in subnets]
    rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=ids)
    rds.create_db_parameter_group(DBParameterGroupName="p", DBParameterGroupFamily="postgres16", Description="p")
    said = {"rds.force_ssl": "1", "work_mem": "65536", "rds.log_retention_period": "1440"}
    _say(cloud, said)
    rds.create_db_instance(
        DBInstanceIdentifier="orders", Engine="postgres", DBInstanceClass="db.m6i.large", AllocatedStorage=20,
        DBName="orders", MasterUsername="ops", MasterUserPassword="not-a-secret", DBSubnetGroupName="g",
        DBParameterGroupName="p", MultiAZ=True,
    )  # fmt: skip
    wait(lambda: _found(cloud)["DBInstanceStatus"] == "available")


def _say(cloud: LocalCluster, values: dict[str, str]) -> None:
    rows = [{"ParameterName": n, "ParameterValue": v, "ApplyMethod": "immediate"} for n, v in values.items()]
    cloud.api("rds").modify_db_parameter_group(DBParameterGroupName="p", Parameters=rows)


def _found(cloud: LocalCluster) -> dict[str, object]:
    return dict(cloud.api("rds").describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0])


def ask(cloud: LocalCluster, query: str, *, password: str, tls: str = "require") -> subprocess.CompletedProcess[str]:
    address = _found(cloud)["Endpoint"]["Address"]  # type: ignore[index]
    where = f"host={address} user=ops dbname=orders sslmode={tls} connect_timeout=5"
    environment = {**os.environ, "PGPASSWORD": password}
    return subprocess.run(["psql", where, "-XAtc", query], capture_output=True, text=True, check=False, env=environment)


def test_it_is_a_postgresql_with_a_synchronous_standby(cloud: LocalCluster) -> None:
    query = "select application_name || ' ' || sync_state from pg_stat_replication"
    wait(lambda: ask(cloud, query, password="not-a-secret").stdout == "standby sync\n")


def test_tls_is_spoken_and_nothing_else(cloud: LocalCluster) -> None:
    assert (
        ask(cloud, "select ssl from pg_stat_ssl where pid = pg_backend_pid()", password="not-a-secret").stdout == "t\n"
    )
    plain = ask(cloud, "select 1", password="not-a-secret", tls="disable")
    assert plain.returncode != 0
    assert "no encryption" in plain.stderr


def test_settings_are_taken_also_later(cloud: LocalCluster) -> None:
    (row,) = client.status(cloud.workspace)["databases"]
    assert row["settings"] == ["work_mem"]
    assert ask(cloud, "show work_mem", password="not-a-secret").stdout == "64MB\n"
    _say(cloud, {"work_mem": "32768"})
    wait(lambda: ask(cloud, "show work_mem", password="not-a-secret").stdout == "32MB\n")


def test_a_rotated_login_is_current_when_the_server_has_it(cloud: LocalCluster) -> None:
    secrets = cloud.api("secretsmanager")
    login = {"username": "ops", "password": "not-a-secret", "dbInstanceIdentifier": "orders"}
    arn = secrets.create_secret(Name="orders", SecretString=json.dumps(login))["ARN"]
    properties = {
        "SecretId": arn,
        "HostedRotationLambda": {"RotationType": "PostgreSQLSingleUser", "RotationLambdaName": "rotate"},
        "RotationRules": {"AutomaticallyAfterDays": 30},
    }
    template = {"Resources": {"Rotation": {"Type": ROTATION, "Properties": properties}}}
    cloud.api("cloudformation").create_stack(StackName="rotation", TemplateBody=json.dumps(template))

    def current() -> str:
        return str(json.loads(secrets.get_secret_value(SecretId="orders")["SecretString"])["password"])

    wait(lambda: current() != "not-a-secret")
    assert ask(cloud, "select 1", password=current()).stdout == "1\n"
    assert ask(cloud, "select 1", password="not-a-secret").returncode != 0
    standby = "select application_name, state from pg_stat_replication"
    assert ask(cloud, standby, password=current()).stdout == "standby|streaming\n"
