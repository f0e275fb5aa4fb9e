"""The PostgreSQL databases of the local cloud: each RDS instance a primary, with a standby in another zone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local import moto_rds, moto_secrets
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.machines import Work
from quartermaster.infra.local.moto_rds import DatabaseSpec
from quartermaster.infra.local.network import Network
from quartermaster.infra.local.postgres import Node, binaries
from quartermaster.infra.local.world import World, log

__all__ = ["Databases"]

_STANDBY = "standby"
FORCE_SSL = "rds.force_ssl"


@dataclass
class _Database:
    spec: DatabaseSpec
    primary: Node
    standby: Node | None = None
    synchronous: bool = False
    orphaned: bool = False
    """The standby does not follow the primary yet, which has been restarted, or was the standby itself until now."""

    @property
    def nodes(self) -> list[Node]:
        return [node for node in (self.primary, self.standby) if node is not None]


class Databases:
    """Every database on this machine."""

    def __init__(self, world: World, network: Network, work: Work) -> None:
        self._world, self._network, self._work = world, network, work
        self._authority = Authority.kept_in(world.home / "authority")
        self._databases: dict[str, _Database] = {}
        self._broken: set[str] = set()

    def step(self, wanted: Mapping[str, DatabaseSpec]) -> None:
        """One turn: databases come and go; a standby that is lost makes its primary asynchronous."""
        for name in self._databases.keys() - wanted.keys():
            self._work.submit(f"database/{name}", self._remove, name)
        self._broken &= wanted.keys()
        for name, spec in wanted.items():
            ready = not spec.source or spec.source in self._databases
            if name not in self._databases and name not in self._broken and ready:
                self._work.submit(f"database/{name}", self._make, spec)
        for name, database in list(self._databases.items()):
            if name in wanted and wanted[name] != database.spec:
                self._work.submit(f"database/{name}", self._follow_spec, database, wanted[name])
            elif database.orphaned:
                self._work.submit(f"database/{name}", self._follow_anew, database)
            elif database.standby is not None:
                self._work.submit(f"database/{name}", self._watch, database)
            self._cables(database)

    def facts(self) -> list[dict[str, Any]]:
        """What status prints of each."""
        folder = binaries()
        return [
            {
                "name": name,
                "address": database.primary.address,
                "port": database.primary.port,
                "zone": database.spec.zone,
                "version": folder.parent.name if folder else "",
                "settings": list(database.primary.applied),
                "standby": {
                    "address": database.standby.address,
                    "zone": database.spec.standby_zone,
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
        nodes: list[Node] = []

        def node(suffix: str, address: str) -> Node:
            nodes.append(Node(self._world, self._network, bridge, f"{spec.name}{suffix}", address, spec.port))
            return nodes[-1]

        try:
            primary = node("", spec.address)
            if spec.source:
                primary.follow(self._databases[spec.source].primary, spec.name)
            else:
                tls_only = spec.parameters.get(FORCE_SSL) == "1"
                primary.create(spec.user, spec.password, spec.database, tls_only=tls_only)
            self._start(primary, spec)
            database = _Database(spec, primary)
            if spec.standby_address:
                database.standby = node("-standby", spec.standby_address)
                database.standby.follow(primary, _STANDBY)
                self._start(database.standby, spec)
        except OpsError as exc:
            log.error("database %s cannot be made: %s", spec.name, exc)
            self._broken.add(spec.name)
            for made in nodes:
                made.close()
            with self._world.lock:
                moto_rds.failed(self._world, spec.name)
            return
        self._databases[spec.name] = database
        log.info("database %s answers at %s:%d", spec.name, spec.address, spec.port)
        with self._world.lock:
            moto_rds.made(spec.name)

    def _start(self, node: Node, spec: DatabaseSpec) -> None:
        node.certify(*self._authority.issue((f"{spec.name}.rds.internal",)))
        node.set(spec.parameters)
        node.start()

    def _follow_spec(self, database: _Database, wanted: DatabaseSpec) -> None:
        """Take a new password and new settings, both without a stop; or restart."""
        old = database.spec
        # A replica has the logins of its source.
        known = self._databases[old.source].spec if old.source else old
        if wanted.restarts != old.restarts:
            self._restart(database, wanted)
            return
        if wanted.parameters != old.parameters:
            for node in database.nodes:
                node.set(wanted.parameters)
                node.sql("select pg_reload_conf()", user=known.user, password=known.password)
        if wanted.password != old.password and not wanted.source:
            text = wanted.password.replace("'", "''")
            database.primary.sql(f"alter role \"{old.user}\" password '{text}'", user=old.user, password=old.password)
            log.info("database %s has the next password", wanted.name)
        database.spec = wanted
        with self._world.lock:
            moto_secrets.settled(wanted.name)

    def _restart(self, database: _Database, wanted: DatabaseSpec) -> None:
        """Restart the server, or let its standby take over; the settings that waited for it are read."""
        name, begun = wanted.name, self._world.now()
        with self._world.lock:
            said = moto_rds.settings(self._world, name)
        standby = None if database.orphaned else database.standby
        moves = wanted.failover and standby is not None
        if moves and standby is not None:
            self._fail_over(database, standby, said, begun)
        else:
            database.primary.stop()
            self._wait(begun, "database_reboot")
            database.primary.set(said)
            database.primary.start()
            # Copied anew where settings changed: one that holds fewer connections than its primary follows no further.
            database.orphaned |= database.standby is not None and said != database.spec.parameters
        self._release(database)
        with self._world.lock:
            moto_rds.restarted(self._world, name, on_standby=moves)
            database.spec = moto_rds.specs(self._world)[name]
        log.info("database %s answers again after %.1f s", name, self._world.now() - begun)

    def _fail_over(self, database: _Database, standby: Node, said: Mapping[str, str], begun: float) -> None:
        """The primary loses its power, the standby is promoted and takes its address over.

        RDS interrupts the primary abruptly, too: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RebootInstance.html
        """
        spec, gone = database.spec, database.primary
        endpoint, place = gone.address, standby.address
        gone.cut()
        gone.strip()
        self._wait(begun, "database_failover")
        standby.set(said)
        standby.sql(
            "select case when pg_is_in_recovery() then pg_promote(true, 60) end", user=spec.user, password=spec.password
        )
        standby.stop()  # settings that are read at the start only
        standby.start()
        standby.move(endpoint)
        gone.move(place)
        database.primary, database.standby = standby, gone
        database.orphaned = True

    @staticmethod
    def _release(database: _Database) -> None:
        """Let the primary commit without its standby until ``_watch`` sees that one stream again."""
        login = {"user": database.spec.user, "password": database.spec.password}
        database.primary.sql("alter system set synchronous_standby_names = ''", **login)
        database.primary.sql("select pg_reload_conf()", **login)
        database.synchronous = False

    def _follow_anew(self, database: _Database) -> None:
        """Give the primary its standby again, from a fresh copy."""
        assert database.standby is not None
        database.standby.cut()
        database.standby.empty()
        database.standby.follow(database.primary, _STANDBY)
        self._start(database.standby, database.spec)
        database.orphaned = False
        log.info("database %s has a standby again in %s", database.spec.name, database.spec.standby_zone)

    def _wait(self, begun: float, what: str) -> None:
        """Let pass what it takes on AWS."""
        time.sleep(max(0.0, begun + self._world.timing[what] - self._world.now()))

    def _watch(self, database: _Database) -> None:
        """Synchronous while the standby streams; without it, asynchronous with an event, rather than stopped."""
        spec = database.spec
        try:
            ask = "select count(*) from pg_stat_replication where state = 'streaming' and application_name = 'standby'"
            streaming = database.primary.sql(ask, user=spec.user, password=spec.password) != "0"
        except OpsError:
            return
        if streaming == database.synchronous:
            return
        names = f"'{_STANDBY}'" if streaming else "''"
        database.primary.sql(
            f"alter system set synchronous_standby_names = {names}", user=spec.user, password=spec.password
        )
        database.primary.sql("select pg_reload_conf()", user=spec.user, password=spec.password)
        database.synchronous = streaming
        log.warning("database %s replicates %s", spec.name, "synchronously" if streaming else "to nobody: standby lost")
        with self._world.lock:
            moto_rds.event(self._world, spec.name, "standby in sync" if streaming else "standby lost: asynchronous now")

    def _cables(self, database: _Database) -> None:
        failed = self._world.failed_zones
        database.primary.plug(database.spec.zone not in failed)
        if database.standby is not None:
            database.standby.plug(database.spec.standby_zone not in failed)

    def _remove(self, name: str) -> None:
        database = self._databases.pop(name)
        for node in (database.standby, database.primary):
            if node is not None:
                node.close()
        log.info("database %s removed", name)
