"""Puts a database's restored data in the place of what it has, on the server that it is on.

The data are restored into isolation and checked, loaded beside the original as a second database of its server, and in
one transaction the two change names. So endpoint, logins, standby and replicas stay, whoever is killed meanwhile leaves
the one or the other, and what the database had before is kept under a name of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from quartermaster.fleet import heartbeat
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Event, Json
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks import restoring
from quartermaster.runbooks.recovery_points import choose
from quartermaster.runbooks.restorer import Restorer
from quartermaster.runbooks.verify import rows

__all__ = ["Overwriting", "Plan", "kept_name"]

_LONG_SECONDS = 4 * 3600.0
"""For a load, and for statistics of all of it; who asks on aws ends itself after six hours."""
_SHORT_SECONDS = 120.0
_LEAVE_SECONDS = 10
"""For how long those are sent away who come while the names change; PostgreSQL itself waits for 5."""
_ROOM = 1.1
"""Of what was restored: indexes are built with files beside them."""
_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_LOADED = "loaded"
_EXCHANGING = "ops-exchange"
"""What the session calls itself in which names change."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would come back, and what would be lost by it."""

    at: datetime
    """The instant that comes back: all that was written after it is lost."""
    to: datetime | None
    """The same where it is asked for as an instant; None: the newest snapshot."""
    why: str
    seconds: float
    """From there to the newest write that is known of."""
    known_by: str
    """heartbeat: the newest beat is that write; clock: every instant up to now may have had one."""

    @property
    def text(self) -> str:
        """As a person reads it before the first asking."""
        until = "its newest heartbeat" if self.known_by == "heartbeat" else "now"
        return (
            f"comes back   as it was at {self.at:%F %T} UTC: {self.why}\n"
            f"is lost      all that was written since: {self.seconds:.0f} s up to {until}; which rows is told later\n"
            f"is kept      what is there now, as a database of its own on the same server, and a new backup"
        )


class _States(Protocol):
    """Tells how RDS sees databases (fleet.databases.Databases)."""

    def state(self, name: str) -> DatabaseState: ...


def kept_name(database: str, now: datetime) -> str:
    """What a server calls the database that something was restored over. Pure."""
    return f"{database}_before_{now:%Y%m%d_%H%M%S}"


class Overwriting:
    """One database of the stack that is restored over, by one run. All raise OpsError."""

    def __init__(self, restorer: Restorer, states: _States, name: str, clock: Clock, *, run: str, poll: float) -> None:
        """``run``: the journal's name of it, written on what it puts in place."""
        self._restorer, self._states, self._name, self._clock, self._poll = restorer, states, name, clock, poll
        self._run = run
        self._original = restorer.original(name)
        if not _PLAIN.fullmatch(self._original.database):
            raise InputError(
                f"the database of {name} is called {self._original.database!r}, which is no plain name (a-z, 0-9, _)",
                remedy=f"ops backup restore {name}, which restores beside it",
            )
        self._side = f"{self._original.database}_restored"

    def done_by(self) -> str:
        """The run that put in place what is there; empty where none did. Read-only.

        What a run that was killed had begun to exchange the server ends by itself, which is waited for.
        """
        at_it = f"select count(*) from pg_stat_activity where application_name = '{_EXCHANGING}'"
        what = f"an exchange of {self._name} that was begun before"
        restoring.until(lambda: {} if self._server(at_it) == "0" else None, self._clock, self._poll, what)
        said = self._server(
            f"select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database"
            f" where datname = '{self._original.database}'"
        )
        return said.removeprefix(_mark("")) if said.startswith(_mark("")) else ""

    def plan(self, to: datetime | None) -> Plan:
        """What is restored, and the seconds that are lost. Read-only. Raises InputError where nothing can be."""
        choice = choose(self._restorer.backups.points(self._name), to=to, database=self._name)
        last, known_by = self._clock.now(), "clock"
        if self._restorer.near:  # else a host would be started to ask, before anybody has said yes
            last, known_by = self._newest_write(self._original, choice.at)
        return Plan(choice.at, choice.to, choice.why, round((last - choice.at).total_seconds(), 3), known_by)

    def prepare(self, plan: Plan) -> Iterator[Event]:
        """All up to the exchange: the original is as it was, whatever becomes of this. The last event tells what would
        be lost, as ``rows``: those of each table whose number differs, now and then."""
        name = self._name
        yield from self.clear()
        try:
            # Once more than PostgreSQL's own archive, which holds every instant up to the exchange, too.
            yield from restoring.take(self._restorer, name, self._snapshot(), self._clock, poll=self._poll)
            yield from restoring.restore(self._restorer, name, self._clock, poll=self._poll, to=plan.to)
            yield from self._step("check", "The restored data are checked", lambda: self._restorer.sound(name))
            yield from self._step("load", "They are loaded beside the original", self._load)
            yield from self._step("compare", "What would be lost", self._compare)
        except BaseException:
            self.discard()
            raise

    def clear(self) -> Iterator[Event]:
        """Remove what was restored and loaded, by this run or one before that ended short."""
        yield from self._step("clear", "Nothing restored is left", self.discard)

    def discard(self) -> bool:
        """Remove what was restored and loaded and is in nobody's place; whether there was anything. Idempotent."""
        # First: who finds nothing restored beside the database finds nothing loaded either.
        # By force: a load that somebody was killed over may go on.
        self._server(f'drop database if exists "{self._side}" with (force)')
        return self._restorer.backups.remove(self._name)

    def exchange(self, plan: Plan) -> Iterator[Event]:
        """Let the names change. Who is connected is sent away, and finds the restored data when it comes again. Tells
        the seconds that were lost by it."""
        kept = kept_name(self._original.database, self._clock.now())

        def exchange() -> dict[str, Json]:
            try:
                self._server(_exchange(self._original, self._side, kept, _mark(self._run)))
            except OpsError:
                # The word that it is done may have been lost on its way.
                if self.done_by() != self._run:
                    self.discard()
                    raise
            last, known_by = self._newest_write(replace(self._original, database=kept), plan.at)
            return {"kept": kept, "lost_seconds": round((last - plan.at).total_seconds(), 3), "lost_by": known_by}

        yield from self._step("exchange", f"The restored data take the place; what was there is {kept}", exchange)

    def finish(self) -> Iterator[Event]:
        """Check what is in place now, and remove what was restored beside it."""
        yield from self._step("verify", "The database answers with them, and has its standby", self._verify)
        yield from self.clear()

    def drop_kept(self) -> list[str]:
        """Drop what the database had before it was restored over, each time; the names. Changes the database."""
        name = self._original.database
        kept = self._server(
            f"select datname from pg_database where datname ~ '^{name}_before_[0-9]{{8}}_[0-9]{{6}}$' order by 1"
        ).split()
        for one in kept:
            self._server(f'drop database "{one}"')
        return kept

    def _newest_write(self, to: Login, since: datetime) -> tuple[datetime, str]:
        """When that database was last written to, as far as is known, and how it is."""
        try:
            beat, _ = heartbeat.newest(lambda sql: self._ask(to, sql))
        except OpsError:
            beat = None  # what is to be restored over may be past answering
        return (beat, "heartbeat") if beat and beat > since else (self._clock.now(), "clock")

    def _snapshot(self) -> str:
        return f"{self._restorer.backups.instance(self._name)}-before-{self._clock.now():%Y%m%d-%H%M%S}"

    def _load(self) -> dict[str, Json]:
        copy, name = self._restorer.reach(self._name), self._original.database
        size = int(self._ask(replace(copy, database="postgres"), f"select pg_database_size('{name}')"))
        used = int(self._server("select sum(pg_database_size(oid)) from pg_database"))
        room = self._restorer.backups.storage_bytes(self._name)
        if used + _ROOM * size > room:
            raise OpsError(
                f"{self._name} has {(room - used) >> 20} MiB of storage left, and {size >> 20} are to come beside it",
                remedy=f"databases.{self._name}.storage_gib, then ops provision up",
            )
        # Under its new name there, so that the dump makes a database of that name, with all its settings.
        self._ask(replace(copy, database="postgres"), f'alter database "{name}" rename to "{self._side}"')
        said = self._server(_load(replace(copy, database=self._side), self._original), _LONG_SECONDS)
        if not said.endswith(_LOADED):
            raise OpsError(f"what was restored of {self._name} cannot be loaded beside it: {said}")
        self._ask(replace(self._original, database=self._side), "analyze", _LONG_SECONDS)
        return {"bytes": size}

    def _compare(self) -> dict[str, Json]:
        now = rows(lambda sql: self._ask(self._original, sql, _LONG_SECONDS))
        then = rows(lambda sql: self._ask(replace(self._original, database=self._side), sql, _LONG_SECONDS))
        return {"rows": _differing(now, then)}

    def _verify(self) -> dict[str, Json]:
        found = self._restorer.answers(self._name)

        def whole() -> dict[str, Json] | None:
            state = self._states.state(self._name)
            return {"checks": found, "standby_zone": state.standby_zone} if state.whole else None

        return restoring.until(whole, self._clock, self._poll, f"the wait for the standby of {self._name}")

    def _server(self, statement: str, seconds: float = _SHORT_SECONDS) -> str:
        """What the original's server answers, asked in a database that stays where it is."""
        return self._ask(replace(self._original, database="postgres"), statement, seconds)

    def _ask(self, to: Login, statement: str, seconds: float = _SHORT_SECONDS) -> str:
        return self._restorer.ask(self._name, to, statement, seconds)

    def _step(self, step: str, title: str, act: Callable[[], object]) -> Iterator[Event]:
        return restoring.step(step, title, self._clock, act)


def _mark(run: str) -> str:
    return f"restored by ops, run {run}"


def _differing(now: Mapping[str, int], then: Mapping[str, int]) -> dict[str, Json]:
    """Rows of each table whose number differs; None where there is no such table. Pure."""
    names = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    return {name: {"now": now.get(name), "then": then.get(name)} for name in names}


def _load(copy: Login, original: Login) -> str:
    """The statement that makes a database on the original's server of one of the copy's. Pure.

    psql runs it where it is itself: what is moved goes through neither this machine on aws nor any file.
    """
    source, target = (shlex.quote(to.where()) for to in (copy, replace(original, database="postgres")))
    load = f"psql {target} -Xqo /dev/null -v ON_ERROR_STOP=1"
    both = f"set -o pipefail; pg_dump --create {source} | {load} && echo {_LOADED}"
    return f"\\! bash -c {shlex.quote(both)} 2>&1"


def _exchange(original: Login, side: str, kept: str, mark: str) -> str:
    """The statement by which two databases of a server change names. Pure.

    A database is renamed only while nobody is in it. Whoever comes meanwhile waits in the door, by PostgreSQL's lock,
    but one who came just before must be sent away still: by somebody else, who ends by himself.
    """
    name = original.database
    send = f"""do $$ begin
  for turn in 1..{_LEAVE_SECONDS * 20} loop
    exit when exists (select from pg_database where datname = '{kept}');
    perform pg_terminate_backend(pid) from pg_stat_activity, pg_roles mine, pg_roles theirs
      where datname in ('{name}', '{side}') and backend_type = 'client backend'
      and mine.rolname = current_user and theirs.oid = usesysid and mine.rolsuper >= theirs.rolsuper;
    perform pg_stat_clear_snapshot(), pg_sleep(0.05);
  end loop;
end $$"""
    away = (
        f"psql {shlex.quote(replace(original, database='postgres').where())} -Xqc {shlex.quote(' '.join(send.split()))}"
    )
    return "\n".join(
        (
            f"set application_name = '{_EXCHANGING}';",
            f"comment on database \"{side}\" is '{mark}';",
            f"\\! {away} >/dev/null 2>&1 &",
            "begin;",
            f'alter database "{name}" rename to "{kept}";',
            f'alter database "{side}" rename to "{name}";',
            "commit;",
        )
    )
