"""Restores a database beside its original, checks what came back, and removes it: what drill and command share.

The original is only ever asked in read-only sessions, and what came back by a user that cannot write, but for what
reads its structure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from quartermaster.fleet import heartbeat
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.write_probe import Login, ask
from quartermaster.runbooks.backups import Backups, Restored
from quartermaster.runbooks.recovery_points import Choice, choose
from quartermaster.runbooks.vaults import RestoreTest
from quartermaster.runbooks.verify import READER, Check, answered, make_reader, rows, unaskable, verify

__all__ = ["Asking", "Loss", "Restorer"]

_LOGIN = timedelta(minutes=5)
"""Until a new master password holds."""
_QUERY_SECONDS = 1800.0
_FRESH = timedelta(seconds=10)
"""A heartbeat that is older has stopped."""
_READ_ONLY = "set default_transaction_read_only = on;\n"


class Asking(Protocol):
    """Asks a database from where it can be reached."""

    def __call__(self, name: str, to: Login, statement: str, *, seconds: float) -> str:
        """What it answers, a row a line, columns parted by ``|``; ``name`` is the original's in the fleet. Raises
        OpsError."""
        ...


def _from_here(name: str, to: Login, statement: str, *, seconds: float) -> str:  # noqa: ARG001
    return ask(to, statement, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Loss:
    """The moment at which the original is taken for lost, and what it had then."""

    at: datetime
    """By the original's clock where it could be asked."""
    rows: Mapping[str, int] | None
    """None where the original did not answer."""
    senseless: frozenset[str]
    """Checks that it could not answer."""
    newest_at: datetime
    """The newest instant that it could be restored to then."""
    choice: Choice


class Restorer:
    """Restores of one stack's databases."""

    def __init__(
        self,
        backups: Backups,
        fleet: Fleet,
        login: Callable[[str], Login],
        clock: Clock,
        asking: Asking = _from_here,
    ) -> None:
        """``login``: as whom to ask a database of the fleet; it raises OpsError where that is not known."""
        self.backups = backups
        self._fleet, self._login, self.clock, self._asking = fleet, login, clock, asking
        self._losses: dict[str, Loss] = {}

    @property
    def near(self) -> bool:
        """Whether databases are asked from this machine: nobody is started for it."""
        return self._asking is _from_here

    def original(self, name: str) -> Login:
        """As whom its applications ask the database. Raises OpsError where that is not known."""
        return self._login(name)

    def ask(self, name: str, to: Login, statement: str, seconds: float) -> str:
        """What a database answers, from where it can be reached. Raises OpsError."""
        return self._asking(name, to, statement, seconds=seconds)

    def look(self, name: str) -> dict[str, Json]:
        """What there is of a restore, as JSON. Read-only."""
        found = self.backups.restored(name)
        return {"restored": asdict(found) if found else None, "left": self.backups.left(name)}

    def lose(self, name: str, *, to: datetime | None = None, draw: str = "", compare: bool = True) -> dict[str, Json]:
        """Take the original for lost as from now, and choose what to restore. Read-only.

        ``compare``: note what it has, for ``check``.
        """
        beats = self._fleet.databases[name].heartbeat and compare
        counted, senseless, asked = None, frozenset[str](), None
        try:
            if compare:
                asked = self._reading(name, self._login(name), _READ_ONLY)
                counted, senseless = rows(asked), unaskable(asked, self._fleet.recovery.checks.get(name, ()))
        except OpsError:
            if beats:
                raise
            asked = None
        points = self.backups.points(name)
        newest = choose(points, database=name)
        choice = choose(points, to=to, draw=draw, database=name)
        # Last, so that the loss is later than all that is chosen from.
        beat, now = heartbeat.newest(asked) if asked else (None, self.clock.now())
        if beats and (beat is None or now - beat > _FRESH):
            told = "has never beaten" if beat is None else f"stopped {(now - beat).total_seconds():.0f} s ago"
            raise OpsError(f"the heartbeat of {name} {told}", remedy=f"keep `ops backup heartbeat {name}` running")
        self._losses[name] = Loss(now, counted, senseless, newest.at, choice)
        return {"lost_at": now.isoformat(), "recovery_point": choice.at.isoformat(), "choice": choice.why}

    def restore(self, name: str) -> bool:
        """Order the restore of what was chosen. Changes AWS."""
        self.backups.restore(name, self._losses[name].choice)
        return True

    def reach(self, name: str) -> Login:
        """A login to the restored instance. Raises OpsError. Changes AWS."""
        found = self.backups.restored(name)
        if found is None or not found.ready:
            raise OpsError(f"nothing of {name} is restored", remedy=f"ops backup restore {name}")
        return self._reach(name, found, self._asking)

    def check(self, name: str, *, rpo: float | None) -> dict[str, Json]:
        """What was measured; ``rpo``: seconds that may be lost. Raises OpsError that names all that does not hold."""
        beats, loss, login = self._fleet.databases[name].heartbeat, self._losses[name], self.reach(name)
        found = self._checks(name, login, self._asking, loss)
        beat, _ = heartbeat.newest(self._reading(name, login))
        newest = loss.choice.at == loss.newest_at
        if newest and beat is not None and beats:
            lost, source = (loss.at - beat).total_seconds(), "heartbeat"
        else:
            lost, source = (loss.at - loss.newest_at).total_seconds(), "recovery point"
        wrong = _wrong(found)
        if wrong:
            # A table that was filled a minute ago is no fault of the backups.
            age = (loss.at - loss.choice.at).total_seconds()
            wrong.append(
                f"the recovery point was {age:.0f} s old: if what is missing is younger than that, "
                f"`ops backup run {name}` first, then try again"
            )
        if beats and beat is None:
            wrong.append("heartbeat: none came back")
        if rpo is not None and lost > rpo:
            wrong.append(f"too old: {lost:.0f} s are lost by the {source}, {rpo:.0f} s may be")
        if wrong:
            raise OpsError(f"the restored data of {name} is not sound: {'; '.join(wrong)}")
        return {
            "rpo_seconds": round(lost, 3),
            "rpo_from": source,
            "checks": {check.name: check.found for check in found},
            **self._asked_from,
        }

    def sound(self, name: str) -> dict[str, Json]:
        """What was restored, checked by itself, whatever the original has. Raises OpsError that names what fails."""
        found = self._checks(name, self.reach(name), self._asking, None)
        if wrong := _wrong(found):
            raise OpsError(f"the restored data of {name} is not sound: {'; '.join(wrong)}")
        return {"checks": {check.name: check.found for check in found}, **self._asked_from}

    def answers(self, name: str) -> dict[str, Json]:
        """What the database itself answers to the fleet's checks. Read-only. Raises OpsError that names what fails."""
        ask = self._reading(name, self._login(name), _READ_ONLY)
        found = answered(ask, self._fleet.recovery.checks.get(name, ()))
        if wrong := _wrong(found):
            raise OpsError(f"{name} is not sound: {'; '.join(wrong)}")
        return {check.name: check.found for check in found}

    def answer(self, test: RestoreTest, asking: Callable[[str], Asking]) -> dict[str, Json]:
        """Check what AWS Backup's restore test restored, and tell it. Changes AWS.

        ``asking``: asks members of that security group. What cannot be asked is no answer: it raises OpsError.
        """
        found, group = self.backups.tested(test)
        asks = asking(group)
        checks = self._checks(test.database, self._reach(test.database, found, asks), asks, None)
        wrong = "; ".join(_wrong(checks))
        self.backups.answer(test, wrong)
        return {"sound": not wrong, "checks": {check.name: check.found for check in checks}, **self._asked_from}

    @property
    def _asked_from(self) -> dict[str, Json]:
        if self.near:
            return {"asked_from": "this machine"}
        return {"asked_from": "a host in the cluster's subnets, over SSM: written, not proven on AWS"}

    def _checks(self, name: str, login: Login, asks: Asking, loss: Loss | None) -> tuple[Check, ...]:
        master = self._reading(name, login, asks=asks)
        make_reader(master)
        reader = self._reading(name, replace(login, user=READER), asks=asks)
        checks = self._fleet.recovery.checks.get(name, ())
        return verify(master, reader, checks, loss.rows if loss else None, loss.senseless if loss else ())

    def _reading(self, name: str, login: Login, first: str = "", asks: Asking | None = None) -> Callable[[str], str]:
        return lambda sql: (asks or self._asking)(name, login, first + sql, seconds=_QUERY_SECONDS)

    def _reach(self, name: str, found: Restored, asks: Asking) -> Login:
        """Give the copy the password that the original has now, which whoever asks from elsewhere reads for itself."""
        original = self._login(name)
        login = replace(original, host=found.address, port=found.port)
        self.backups.password(found.id, original.password)
        until = self.clock.now() + _LOGIN
        while True:
            try:
                asks(name, login, "select 1", seconds=30)
            except OpsError:
                if self.clock.now() > until:
                    raise
                self.clock.sleep(1)
            else:
                return login


def _wrong(found: tuple[Check, ...]) -> list[str]:
    return [f"{check.name}: {check.found}" for check in found if not check.holds]
