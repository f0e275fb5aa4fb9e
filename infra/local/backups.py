"""Backups of the local cloud's databases, as RDS takes them: WAL all the time, a base backup a day and on demand."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local import moto_rds_backups, pgbackrest
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.backup_records import Base, Kept, Restore
from quartermaster.infra.local.machines import Work
from quartermaster.infra.local.object_door import ACCOUNT, ObjectDoor
from quartermaster.infra.local.pgbackrest import CONFIG, SOURCE, Repository
from quartermaster.infra.local.postgres import Node
from quartermaster.infra.local.postgres_service import SERVICE, Service
from quartermaster.infra.local.world import World, log

__all__ = ["Backups", "due"]

_ATTEMPTS_APART = 15.0
"""Seconds until a backup that failed is tried again."""


class Served(Protocol):
    """What of a database is needed."""

    @property
    def primary(self) -> Node: ...

    @property
    def nodes(self) -> list[Node]: ...


class Backups:
    """All backups of one local cloud. They lie in moto's object store, and so in the daemon's memory."""

    def __init__(self, world: World, authority: Authority) -> None:
        self._world, self._authority = world, authority
        self._work = Work(workers=1)
        self._application: Any = None
        self._doors: dict[str, ObjectDoor] = {}
        self._doors_lock = threading.Lock()
        self._key, self._secret = "AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
        self._passphrases: dict[str, str] = {}
        self._archives: dict[str, tuple[float, str, datetime]] = {}
        """By resource: when a segment was last closed, its name, and the instant up to which it goes."""
        self._tried: dict[str, float] = {}

    def serve(self, application: Any) -> None:
        """Keep what is kept behind this application."""
        self._application = application

    def step(self, databases: Mapping[str, Served]) -> None:
        """One turn: what is due is begun."""
        running = dict(databases)
        with self._world.lock:
            wanted = moto_rds_backups.kept()
            for gone in moto_rds_backups.orphans():
                self._work.submit(f"remove/{gone.resource}", self._remove, gone)
        for one in wanted:
            if one.name in running:
                self._work.submit(f"backup/{one.resource}", self._tend, one, running[one.name])

    def restore(self, node: Node, said: Restore) -> None:
        """Fill a node with the files of a backup; it replays WAL when it starts. Raises OpsError."""
        server = Service(node)
        self._repository(node, said.resource, said.region).write(server, SOURCE, SERVICE)
        pgbackrest.restore(server, label=said.label, to=said.to)
        server.alone()
        server.admit(said.admits)

    @staticmethod
    def restored(node: Node, *, user: str, password: str) -> None:
        """Wait until the node that has just started has all that was asked for, with logins as RDS tells them."""
        server = Service(node)
        server.recovered()
        server.log_in(user, password)
        server.remove(SOURCE)

    def close(self) -> None:
        """Stop."""
        self._work.close()
        for door in self._doors.values():
            door.close()

    def _tend(self, one: Kept, database: Served) -> None:
        """One look at a database's backups."""
        if shutil.which("pgbackrest") is None:
            self._say_missing(one)
            return
        if not one.days and not one.asked and not one.bases:
            for node in database.nodes:
                Service(node).remove(CONFIG)
            return
        now = self._world.now()
        if now < self._tried.get(one.resource, now):
            return
        try:
            self._configure(one, database)
            primary = Service(database.primary)
            self._bases(one, primary)
            self._archive(one, primary)
        except OpsError as exc:
            self._tried[one.resource] = self._world.now() + _ATTEMPTS_APART
            log.warning("backups of database %s: %s", one.name, exc.message)
            with self._world.lock:
                moto_rds_backups.troubled(self._world, one, exc.message)

    def _configure(self, one: Kept, database: Served) -> None:
        for node in database.nodes:
            server = Service(node)
            if not server.has(CONFIG):
                self._repository(node, one.resource, one.region).write(server, CONFIG, SERVICE)
                if node is database.primary:
                    pgbackrest.create(server)

    def _bases(self, one: Kept, server: Service) -> None:
        """Take what is due, and drop what is not needed."""
        now = datetime.now(UTC)
        for label in list(one.dropped):
            pgbackrest.drop(server, label)
            one.dropped.remove(label)
        asked = list(one.asked)
        if not asked and one.days and due(one, now):
            asked = [f"rds:{one.name}-{now:%Y-%m-%d-%H-%M-%S}"]
        for snapshot in asked:
            taken = pgbackrest.backup(server)
            base = Base(taken.label, snapshot, taken.started_at, taken.ended_at, taken.size)
            log.info("database %s: base backup %s of %d bytes", one.name, taken.label, taken.size)
            with self._world.lock:
                moto_rds_backups.noted(one, base)

    def _archive(self, one: Kept, server: Service) -> None:
        """Close the WAL segment every so often, and see how far what has arrived goes."""
        if not one.days or not one.bases:
            return
        now = self._world.now()
        closed = self._archives.get(one.resource)
        arrived = server.ask("select coalesce(last_archived_wal, '') from pg_stat_archiver")
        if closed is not None and arrived >= closed[1]:
            with self._world.lock:
                one.latest_at = max(closed[2], one.latest_at or closed[2])
        if closed is not None and now - closed[0] < self._world.timing["wal_archive"]:
            return
        # A transaction of our own: on an idle server there would be none to restore up to. RDS has its heartbeat.
        said = server.ask("select pg_logical_emit_message(true, 'rds', '')::text || ' ' || clock_timestamp()")
        at = datetime.fromisoformat(said.split(" ", 1)[1])
        name = server.ask("select pg_walfile_name(pg_switch_wal())")
        self._archives[one.resource] = now, name, at

    def _remove(self, gone: Kept) -> None:
        """Empty what was kept of an instance that is gone."""
        with self._world.lock:
            store = self._store()
            bucket = store.buckets.get(self._bucket(gone.region))
            for key in [key for key in (bucket.keys if bucket else ()) if key.startswith(f"{gone.resource}/")]:
                store.delete_object(bucket.name, key)
        log.info("backups of database %s removed", gone.name)

    def _say_missing(self, one: Kept) -> None:
        with self._world.lock:
            moto_rds_backups.troubled(self._world, one, "pgbackrest is not on this machine: run `ops setup`")
        self._tried[one.resource] = float("inf")

    def _repository(self, node: Node, resource: str, region: str) -> Repository:
        door, bucket = self._door(node.gateway), self._bucket(region)
        return Repository(
            host=door.host,
            port=door.port,
            authority=self._authority.pem.decode(),
            bucket=bucket,
            region=region,
            resource=resource,
            key=self._key,
            secret=self._secret,
            passphrase=self._passphrases.setdefault(resource, secrets.token_urlsafe(32)),
        )

    def _bucket(self, region: str) -> str:
        """The service's bucket in the region, made at first use."""
        name = f"rds-{self._world.instance}-{region}"
        with self._world.lock:
            if name not in self._store().buckets:
                self._store().create_bucket(name, region)
        return name

    def _store(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[ACCOUNT]["aws"]

    def _door(self, host: str) -> ObjectDoor:
        with self._doors_lock:
            if host not in self._doors:
                folder = self._world.home / "authority"
                self._doors[host] = ObjectDoor(self._application, self._authority, host, key=self._key, folder=folder)
            return self._doors[host]


def due(one: Kept, now: datetime) -> bool:
    """Whether a base backup must be taken now: the first at once, then one a day in the backup window. Pure."""
    own = [base for base in one.bases if base.snapshot.startswith("rds:")]
    if not own:
        return True
    start, _, _ = one.window.partition("-")
    hour, _, minute = start.partition(":")
    opens = now.replace(hour=int(hour or 0), minute=int(minute or 0), second=0, microsecond=0)
    opens = opens if opens <= now else opens - timedelta(days=1)
    return own[-1].started_at < opens and now - own[-1].started_at > timedelta(hours=12)
