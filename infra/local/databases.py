"""The PostgreSQL databases of the local cloud: each RDS instance a primary, with a standby in another zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local import moto_rds, moto_rds_backups, moto_secrets
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.backups import Backups
from quartermaster.infra.local.database import Database
from quartermaster.infra.local.machines import Work
from quartermaster.infra.local.moto_rds import DatabaseSpec
from quartermaster.infra.local.network import Network
from quartermaster.infra.local.postgres import Node
from quartermaster.infra.local.world import World, log
from quartermaster.infra.setup.machine import postgres_programs

__all__ = ["Databases"]

_FORCE_SSL = "rds.force_ssl"


class Databases:
    """Every database on this machine."""

    def __init__(self, world: World, network: Network, work: Work, authority: Authority, backups: Backups) -> None:
        self._world, self._network, self._work = world, network, work
        self._authority, self._backups = authority, backups
        self._databases: dict[str, Database] = {}
        self._broken: set[tuple[str, float]] = set()
        """By name and since when they were asked for."""

    def step(self, wanted: Mapping[str, DatabaseSpec]) -> None:
        """One turn: databases come and go, and those that are there are looked after."""
        there = dict(self._databases)
        # A name may have been given anew since.
        kept = {name: it for name, it in there.items() if name in wanted and wanted[name].since == it.spec.since}
        for name in there.keys() - kept.keys():
            self._work.submit(f"database/{name}", self._remove, name)
        self._broken &= {(name, spec.since) for name, spec in wanted.items()}
        for name, spec in wanted.items():
            ready = not spec.source or spec.source in self._databases
            if name not in self._databases and (name, spec.since) not in self._broken and ready:
                self._work.submit(f"database/{name}", self._make, spec)
        for name, database in kept.items():
            self._work.submit(f"database/{name}", self._tend, database, wanted[name])
            database.plug()
        self._backups.step(kept)

    def kill(self, name: str) -> None:
        """Take the power of a database's primary; the API is told nothing. Raises KeyError with the known ones."""
        if name not in self._databases:
            known = ", ".join(sorted(self._databases)) or "none"
            raise KeyError(f"no database {name!r}; running here: {known}")
        self._databases[name].lose_power()

    def facts(self) -> list[dict[str, Any]]:
        """What status prints of each."""
        folder = postgres_programs()
        return [
            {
                "name": name,
                "address": database.primary.address,
                "port": database.primary.port,
                "zone": database.primary.zone,
                "version": folder.parent.name if folder else "",
                "settings": list(database.primary.applied),
                "standby": {
                    "address": database.standby.address,
                    "zone": database.standby.zone,
                    "synchronous": database.synchronous,
                }
                if database.standby
                else None,
            }
            for name, database in sorted(self._databases.items())
        ]

    def close(self) -> None:
        """Stop and remove all."""
        for name in list(self._databases):
            self._remove(name)

    def _make(self, spec: DatabaseSpec) -> None:
        bridge = self._network.bridge(spec.vpc, spec.vpc_cidr)
        with self._world.lock:
            restore = moto_rds_backups.restore_of(spec.name)
        nodes: list[Node] = []

        def node(suffix: str, zone: str, address: str) -> Node:
            nodes.append(Node(self._world, self._network, bridge, f"{spec.name}{suffix}", zone, address, spec.port))
            return nodes[-1]

        try:
            database = Database(self._world, self._authority, spec, node("", spec.zone, spec.address))
            if spec.source:
                database.primary.follow(self._databases[spec.source].primary, spec.name)
            elif restore is not None:
                self._backups.restore(database.primary, restore)
            else:
                tls_only = spec.parameters.get(_FORCE_SSL) == "1"
                database.primary.create(spec.user, spec.password, spec.database, tls_only=tls_only)
            database.start(database.primary)
            if restore is not None:
                self._backups.restored(database.primary, user=spec.user, password=spec.password)
            if spec.standby_address:
                database.follow(node("-standby", spec.standby_zone, spec.standby_address))
        except OpsError as exc:
            log.error("database %s cannot be made: %s", spec.name, exc)
            self._broken.add((spec.name, spec.since))
            for made in nodes:
                made.close()
            with self._world.lock:
                if _wanted(spec):
                    moto_rds.failed(self._world, spec.name)
                    if restore is not None:
                        moto_rds_backups.restore_failed(self._world, spec.name, exc.message)
            return
        self._databases[spec.name] = database
        log.info("database %s answers at %s:%d", spec.name, spec.address, spec.port)
        with self._world.lock:
            if _wanted(spec):
                moto_rds.made(spec.name)

    def _tend(self, database: Database, wanted: DatabaseSpec) -> None:
        if wanted.restarts != database.spec.restarts:
            database.restart(on_standby=wanted.failover)
            return
        database.tend()
        source = self._databases.get(database.spec.source)
        if source is not None and database.answering:
            database.keep_up(source)
        if wanted != database.spec and database.answering:
            self._follow_spec(database, wanted)

    def _follow_spec(self, database: Database, wanted: DatabaseSpec) -> None:
        """Take a new password, new settings and a standby or none, all without a stop."""
        old = database.spec
        # A replica has the logins of its source.
        known = self._databases[old.source].spec if old.source else old
        if wanted.parameters != old.parameters:
            for node in database.nodes:
                node.set(wanted.parameters)
                node.sql("select pg_reload_conf()", user=known.user, password=known.password)
        if wanted.password != old.password and not wanted.source:
            text = wanted.password.replace("'", "''")
            database.primary.sql(f"alter role \"{old.user}\" password '{text}'", user=old.user, password=old.password)
            log.info("database %s has the next password", wanted.name)
        if bool(wanted.standby_address) != bool(old.standby_address):
            self._pair(database, wanted)
        database.spec = wanted
        with self._world.lock:
            moto_secrets.settled(wanted.name)

    def _pair(self, database: Database, wanted: DatabaseSpec) -> None:
        """Give the database a standby, or take it away."""
        if not wanted.standby_address:
            database.part()
            return
        # The one that was its standby may be its primary by now, under the standby's name.
        taken = database.primary.folder.name
        name = wanted.name if taken != wanted.name else f"{wanted.name}-standby"
        bridge = self._network.bridge(wanted.vpc, wanted.vpc_cidr)
        place = (wanted.standby_zone, wanted.standby_address, wanted.port)
        node = Node(self._world, self._network, bridge, name, *place)
        try:
            database.follow(node)
        except OpsError:
            node.close()
            raise

    def _remove(self, name: str) -> None:
        self._databases.pop(name).close()
        log.info("database %s removed", name)


def _wanted(spec: DatabaseSpec) -> bool:
    """Whether it is still that one: it may have been deleted while it was made, and another of its name be wanted."""
    place = moto_rds.place(spec.name)
    return place is not None and place.since == spec.since
