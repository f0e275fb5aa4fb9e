"""One PostgreSQL database of the local cloud: its primary, and the standby in another zone that takes over from it.

RDS looks whether the primary answers. One that has been silent for long enough is fenced (no power, no address) before
its standby is promoted, so there are never two that serve; it comes back as a standby only, from a fresh copy. The
standby is promoted only where the primary has committed nothing without it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local import moto_rds, moto_rds_restart
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.moto_rds import DatabaseSpec
from quartermaster.infra.local.postgres import Node
from quartermaster.infra.local.world import World, log

__all__ = ["Database"]

_STANDBY = "standby"
_PATIENCE_SECONDS = 15.0
"""For how long a standby that could stream may not, until it is copied anew. It tries to connect every 5 seconds
(wal_retrieve_retry_interval)."""
_SYNC_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_NOT_NOW = "Abandoning user requested failover since a failover recently occurred on the database instance."
"""RDS-EVENT-0034: its standby does not follow again yet."""


class Database:
    """A primary, perhaps with a standby. One thread at a time works on it; any may cut the power."""

    def __init__(self, world: World, authority: Authority, spec: DatabaseSpec, primary: Node) -> None:
        self.spec, self.primary = spec, primary
        self.standby: Node | None = None
        self.synchronous = False
        """Whether the primary confirms nothing that the standby does not have."""
        self._world, self._authority = world, authority
        self._orphaned = False
        """The standby cannot follow the primary any more: it needs a fresh copy."""
        self._promoting = False
        """The primary is fenced, and its standby may be promoted already."""
        self._silent_since: float | None = None
        """Since when the primary does not answer."""
        self._parted_since: float | None = None
        """Since when the standby does not stream, though both are up."""
        self._looked_at = 0.0

    @property
    def answering(self) -> bool:
        """Whether the primary answered at the last look."""
        return self._silent_since is None

    @property
    def nodes(self) -> list[Node]:
        return [node for node in (self.primary, self.standby) if node is not None]

    def start(self, node: Node) -> None:
        """Start a node with its certificate and the settings in force."""
        node.certify(*self._authority.issue((f"{self.spec.name}.rds.internal",)))
        node.set(self.spec.parameters)
        node.start()

    def follow(self, standby: Node) -> None:
        """Give the primary a standby, from a copy."""
        standby.follow(self.primary, _STANDBY)
        self.start(standby)
        self.standby = standby

    def feeds(self, name: str) -> bool:
        """Whether the standby or replica of that name streams from the primary. Raises OpsError."""
        return self._ask(f"select {_streams(name)}") == "t"

    def keep_up(self, source: Database) -> None:
        """Copy a replica anew that its source has moved away from: it may have had more than who took over there."""
        if source.answering and self._parted(source.feeds(self.spec.name)):
            log.warning("database %s cannot follow %s any more: copied anew", self.spec.name, source.spec.name)
            self.primary.cut()
            self.primary.empty()
            self.primary.follow(source.primary, self.spec.name)
            self.start(self.primary)
            self._parted_since = None

    def part(self) -> None:
        """Go on without the standby, and remove it."""
        self._replicate(False)
        standby, self.standby, self._orphaned = self.standby, None, False
        if standby is not None:
            standby.close()

    def plug(self) -> None:
        """Connect the nodes, but those in a zone that is cut off."""
        for node in self.nodes:
            node.plug(node.zone not in self._world.failed_zones)

    def lose_power(self) -> None:
        """Let the primary's host die where it is, if it lives: nobody is told."""
        if self.primary.powered:
            self.primary.lose_power()
            log.info("database %s: its primary in %s lost its power", self.spec.name, self.primary.zone)

    def tend(self) -> None:
        """One look: a silent primary is failed over or brought back; a standby that was lost is given anew."""
        if self._world.now() - self._looked_at < _LOOK_SECONDS:
            return
        if not self._promoting and self.primary.answers():
            self._silent_since = None
            self._watch()
        else:
            self._miss()
        self._looked_at = self._world.now()

    def _miss(self) -> None:
        """The primary did not answer: wait, then let the standby take over, or bring it back in its own zone."""
        now = self._world.now()
        if self._silent_since is None:
            log.warning("database %s: its primary in %s does not answer", self.spec.name, self.primary.zone)
            self._silent_since = now
        if now - self._silent_since < self._world.timing["database_detect"]:
            return
        if self._can_take_over():
            self._take_over(self._silent_since)
        elif self._can_come_back():
            self._come_back(self._silent_since)

    def restart(self, *, on_standby: bool) -> None:
        """Restart the server, or let its standby take over; the settings that waited for it are read."""
        name, begun = self.spec.name, self._world.now()
        said = self._said()
        if on_standby and self._can_take_over():
            self._fail_over(said, begun)
        else:
            if on_standby:
                with self._world.lock:
                    moto_rds.event(self._world, name, _NOT_NOW)
            self.primary.stop()
            self._wait(begun, "database_reboot")
            self.primary.set(said)
            self.primary.start()
            self._settle(said, on_standby=False)
        log.info("database %s answers again after %.1f s", name, self._world.now() - begun)

    def close(self) -> None:
        """Stop and remove its nodes."""
        for node in reversed(self.nodes):
            node.close()

    def _can_take_over(self) -> bool:
        """Whether the standby has all that was confirmed, and can be reached."""
        if self.standby is None or self._orphaned:
            return False
        return self._promoting or (self.synchronous and self.standby.answers())

    def _take_over(self, begun: float) -> None:
        """What RDS does by itself: the standby becomes the primary."""
        if not self._promoting:
            with self._world.lock:
                cut_off = self.primary.zone in self._world.failed_zones
                moto_rds_restart.failing_over(self._world, self.spec.name, cut_off=cut_off, alive=self.primary.alive)
        self._fail_over(self._said(), begun)
        log.info("database %s failed over in %.1f s", self.spec.name, self._world.now() - begun)

    def _fail_over(self, said: Mapping[str, str], begun: float) -> None:
        """The primary loses its power, the standby is promoted and takes its address over. Done twice is done once.

        RDS interrupts the primary abruptly, too: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RebootInstance.html
        """
        gone, standby = self.primary, self.standby
        assert standby is not None
        self._promoting = True
        gone.lose_power()
        gone.strip()
        self._wait(begun, "database_failover")
        standby.set(said)
        if not standby.alive:
            standby.start()
        standby.sql("select case when pg_is_in_recovery() then pg_promote(true, 60) end", **self._login)
        standby.stop()  # settings that are read at the start only
        standby.start()
        endpoint, place = self.spec.address, self.spec.standby_address
        standby.move(endpoint)
        gone.move(place)
        self.primary, self.standby = standby, gone
        self._settle(said, on_standby=True)

    def _can_come_back(self) -> bool:
        """Whether the primary's own zone is up; a process that lives there answers by itself once it can."""
        return not self._promoting and self.primary.zone not in self._world.failed_zones and not self.primary.alive

    def _come_back(self, begun: float) -> None:
        """What RDS does without a standby: another host starts the server over the same storage."""
        with self._world.lock:
            moto_rds_restart.recovering(self._world, self.spec.name)
        self._wait(begun, "database_recover")
        said = self._said()
        self.primary.set(said)
        self.primary.start()
        self._settle(said, on_standby=False)
        with self._world.lock:
            moto_rds.event(self._world, self.spec.name, "Recovery of the DB instance is complete.")
        log.info("database %s is back after %.1f s", self.spec.name, self._world.now() - begun)

    def _settle(self, said: Mapping[str, str], *, on_standby: bool) -> None:
        """The primary answers: let it commit without its standby until ``_watch`` sees that one stream again."""
        # Copied anew where settings changed: one that holds fewer connections than its primary follows no further.
        self._orphaned |= self.standby is not None and (on_standby or said != self.spec.parameters)
        self._promoting, self._silent_since = False, None
        if self.standby is not None:
            with suppress(OpsError):  # the next look does it
                self._replicate(False)
        with self._world.lock:
            moto_rds_restart.restarted(self._world, self.spec.name, on_standby=on_standby)
            self.spec = moto_rds.specs(self._world)[self.spec.name]

    def _watch(self) -> None:
        """Synchronous while the standby streams; without it, asynchronous with an event, rather than stopped."""
        standby = self.standby
        if standby is None:
            return
        reachable = standby.zone not in self._world.failed_zones
        if self._orphaned:
            self._give_anew(standby) if reachable else None
            return
        try:
            # One question, not two: each is a process and a login, twice a second.
            waits = "current_setting('synchronous_standby_names') <> ''"
            streaming, waiting = (it == "t" for it in self._ask(f"select {_streams(_STANDBY)}, {waits}").split("|"))
            if streaming != (waiting and self.synchronous):
                self._replicate(streaming)
        except OpsError as exc:
            log.info("database %s: %s", self.spec.name, exc.message)
            return
        self._orphaned = self._parted(streaming or not reachable) or (reachable and not standby.alive)

    def _parted(self, streaming: bool) -> bool:
        """Whether the copy that could stream has not done so for longer than it may."""
        now = self._world.now()
        self._parted_since = None if streaming else self._parted_since or now
        return self._parted_since is not None and now - self._parted_since > _PATIENCE_SECONDS

    def _replicate(self, synchronously: bool) -> None:
        """Let commits wait for the standby, or not; it counts as synchronous once it has all that came before."""
        if not synchronously:
            self.synchronous = False  # before the primary may confirm a write that the standby does not have
        names = f"'{_STANDBY}'" if synchronously else "''"
        self._ask(f"alter system set synchronous_standby_names = {names}")
        self._ask("select pg_reload_conf()")
        if synchronously and not self._caught_up():
            return
        log.warning("database %s replicates %s", self.spec.name, "synchronously" if synchronously else "to nobody")
        with self._world.lock:
            moto_rds_restart.standby(self._world, self.spec.name, follows=synchronously)
        self.synchronous = synchronously

    def _caught_up(self) -> bool:
        """Whether the standby has all that was committed up to now, while commits wait for it."""
        until = time.monotonic() + _SYNC_SECONDS
        here = ""
        while time.monotonic() < until:
            sync = f"from pg_stat_replication where application_name = '{_STANDBY}' and sync_state = 'sync'"
            if here and self._ask(f"select count(*) {sync} and flush_lsn >= '{here}'") != "0":
                return True
            if not here and self._ask(f"select count(*) {sync}") != "0":
                here = self._ask("select pg_current_wal_flush_lsn()")
                continue
            time.sleep(0.05)
        return False

    def _give_anew(self, standby: Node) -> None:
        """Give the primary its standby again, from a fresh copy."""
        standby.cut()
        standby.empty()
        standby.repair()
        self.follow(standby)
        self._orphaned, self._parted_since = False, None
        log.info("database %s has a standby again in %s", self.spec.name, standby.zone)

    def _said(self) -> dict[str, str]:
        with self._world.lock:
            return moto_rds.settings(self._world, self.spec.name)

    @property
    def _login(self) -> dict[str, str]:
        return {"user": self.spec.user, "password": self.spec.password}

    def _ask(self, statement: str) -> str:
        return self.primary.sql(statement, **self._login)

    def _wait(self, begun: float, what: str) -> None:
        """Let pass what it takes on AWS."""
        time.sleep(max(0.0, begun + self._world.timing[what] - self._world.now()))


def _streams(name: str) -> str:
    """What asks a primary whether the standby or replica of that name streams from it. Pure."""
    return f"exists (select from pg_stat_replication where state = 'streaming' and application_name = '{name}')"
