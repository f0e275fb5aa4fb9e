"""Database ``orders`` with backups on a local cloud of its own, made with plain boto3, to be restored."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from quartermaster.fleet import heartbeat
from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.databases import Databases, DatabaseState
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.fleet.write_probe import Login, ask
from quartermaster.infra.layout import DATABASE, layout
from quartermaster.infra.local import client
from quartermaster.infra.local.object_door import ACCOUNT
from quartermaster.infra.login import secret_name
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.backups import Backups
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.restorer import Restorer
from tests.hosts.local_cluster import LocalCluster, network, wait

PASSWORD = "not-a-secret"
FLEET = """fleet: shop
region: eu-west-1
databases: {orders: {engine: postgres, heartbeat: true}}
recovery:
  orders: {data_loss: {rto: 10m, rpo: 40s}}
  checks: {orders: ["select count(*) = 1000 from orders"]}
"""


@dataclass(frozen=True)
class BackedUp:
    """The database and what restores it."""

    fleet: Fleet
    workspace: Workspace
    cloud: Cloud

    @property
    def instance(self) -> str:
        return layout(self.fleet, "dev").called(DATABASE, "orders")

    @property
    def databases(self) -> Databases:
        return Databases(self.cloud, {"orders": self.instance})

    @property
    def state(self) -> DatabaseState:
        return self.databases.state("orders")

    @property
    def backups(self) -> Backups:
        return Backups(self.cloud, {"orders": self.instance}, SystemClock())

    @property
    def restorer(self) -> Restorer:
        return Restorer(self.backups, self.fleet, self.login, SystemClock())

    def login(self, name: str) -> Login:
        assert name == "orders"
        return Login(self.state.address, 5432, "orders", "ops", PASSWORD)

    def sql(self, statement: str) -> str:
        return ask(self.login("orders"), statement, seconds=30)

    @property
    def hands(self) -> Hands:
        local: Any = client
        return Hands(
            hosts=Hosts(self.cloud), faults=local, clock=SystemClock(), databases=self.databases, restorer=self.restorer
        )

    def drilled(self) -> DrillResult:
        """The drill, as ``ops drill run restore orders --now`` runs it. Raises as that does."""
        scene, now = drill.see("restore", "orders", self.fleet, self.hands), datetime.now(UTC)
        plan = drill.plan("restore", "orders", scene=scene, fleet=self.fleet, stack="dev", now=now, right_now=True)
        journal = Journal.open(self.workspace.database)
        steps = drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=self.hands)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: DrillResult = done.value
                return found

    def archived(self) -> datetime:
        """Wait until all that was committed up to now can be restored; the instant."""
        now = datetime.now(UTC)
        wait(lambda: (to := self.state.restorable_to) is not None and to > now, 90)
        return now

    def objects(self) -> Objects:
        """What RDS keeps of it, which no account of a user sees."""
        values = client.environment(self.workspace, "eu-west-1")
        s3 = boto3.client(
            "s3", endpoint_url=values["AWS_ENDPOINT_URL"], region_name="eu-west-1",
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"], aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        s3.meta.events.register("before-sign.s3", _as_service)
        resource = self.cloud.client("rds").describe_db_instances(DBInstanceIdentifier=self.instance)
        return Objects(s3, s3.list_buckets()["Buckets"][0]["Name"], resource["DBInstances"][0]["DbiResourceId"])


def _as_service(request: Any, **_: object) -> None:
    request.headers["x-moto-account-id"] = ACCOUNT


@dataclass(frozen=True)
class Objects:
    """The objects of one database's backups."""

    s3: Any
    bucket: str
    resource: str

    def keys(self, part: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.resource}/")
        return sorted(row["Key"] for page in pages for row in page.get("Contents", []) if part in row["Key"])

    def read(self, key: str) -> bytes:
        found: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return found

    def write(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def damaged(self, keys: list[str], content: Any) -> Iterator[None]:
        """While open, these hold what ``content`` makes of them, or are gone where it is None."""
        kept = {key: self.read(key) for key in keys}
        assert kept
        try:
            for key, was in kept.items():
                self.delete(key) if content is None else self.write(key, content(was))
            yield
        finally:
            for key, was in kept.items():
                self.write(key, was)


@contextmanager
def beating(database: BackedUp) -> Iterator[None]:
    """A heartbeat while open."""
    over = threading.Event()

    def run() -> None:
        for _ in heartbeat.beat(lambda: database.login("orders"), over):
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait(lambda: heartbeat.newest(database.sql)[0] is not None)
        yield
    finally:
        over.set()
        thread.join(10)


@contextmanager
def backed_up(folder: Path) -> Iterator[BackedUp]:
    """The database with a thousand orders; nothing of it is left afterwards."""
    (folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    workspace = Workspace(folder / "fleet.yaml")
    try:
        client.ensure_running(workspace, "shop", "instant")
        local = LocalCluster(workspace)
        network(local)
        fleet = load_fleet(workspace.fleet_file)
        made = BackedUp(fleet, workspace, connect(fleet, "dev", workspace))
        rds = local.api("rds")
        rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=local.subnets[:2])
        rds.create_db_parameter_group(DBParameterGroupName="p", DBParameterGroupFamily="postgres16", Description="p")
        rds.create_db_instance(
            DBInstanceIdentifier=made.instance, Engine="postgres", EngineVersion="16.9", StorageEncrypted=True,
            DBInstanceClass="db.m6i.large", AllocatedStorage=20, DBName="orders", MasterUsername="ops",
            MasterUserPassword=PASSWORD, MultiAZ=True, DBSubnetGroupName="g", DBParameterGroupName="p",
            BackupRetentionPeriod=7,
        )  # fmt: skip
        wait(lambda: made.state.whole, 120)
        login = {"host": made.state.address, "port": 5432, "dbname": "orders", "username": "ops", "password": PASSWORD}
        name = secret_name(layout(fleet, "dev"), "orders")
        local.api("secretsmanager").create_secret(Name=name, SecretString=json.dumps(login))
        made.sql("create table orders (id int primary key, at timestamptz default now())")
        made.sql("insert into orders select generate_series(1, 1000)")
        yield made
    finally:
        client.down(workspace)
