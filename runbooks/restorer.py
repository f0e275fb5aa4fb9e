"""Restores a database beside its original, checks what came back, and removes it: what drill and command share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from quartermaster.fleet import heartbeat
from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.write_probe import Login, ask
from quartermaster.runbooks.backups import Backups
from quartermaster.runbooks.recovery_points import Choice, choose
from quartermaster.runbooks.verify import rows, unaskable, verify

__all__ = ["Loss", "Restorer"]

_LOGIN = timedelta(minutes=5)
"""Until a new master password holds."""
_QUERY_SECONDS = 1800.0
_FRESH = timedelta(seconds=10)
"""A heartbeat that is older has stopped."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The moment at which the original is taken for lost, and what it had then."""

    at: datetime
    rows: Mapping[str, int] | None
    """None where the original did not answer."""
    senseless: frozenset[str]
    """Checks that it could not answer."""
    newest_at: datetime
    """The newest instant that it could be restored to then."""
    choice: Choice


class Restorer:
    """Restores of one stack's databases."""

    def __init__(self, backups: Backups, fleet: Fleet, login: Callable[[str], Login], clock: Clock) -> None:
        """``login``: as whom to ask a database of the fleet; it raises OpsError where that is not known."""
        self.backups = backups
        self._fleet, self._login, self._clock = fleet, login, clock
        self._losses: dict[str, Loss] = {}

    def look(self, name: str) -> dict[str, Json]:
        """What there is of a restore, as JSON. Read-only."""
        found = self.backups.restored(name)
        return {"restored": asdict(found) if found else None, "left": self.backups.left(name)}

    def lose(self, name: str, *, to: datetime | None = None, draw: str = "") -> dict[str, Json]:
        """Take the original for lost as from now, and choose what to restore. Read-only."""
        beats, points = self._fleet.databases[name].heartbeat, self.backups.points(name)
        now = self._clock.now()
        newest = choose(points, database=name)
        choice = choose(points, to=to, draw=draw, database=name)
        try:
            login = self._login(name)
            asked = partial(ask, login, seconds=_QUERY_SECONDS)
            counted, senseless = rows(asked), unaskable(asked, self._fleet.recovery.checks.get(name, ()))
            beat = heartbeat.newest(login)
        except OpsError:
            if beats:
                raise
            counted, senseless, beat = None, frozenset(), None
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
        """A login to the restored instance, with a password that nobody else knows. Raises OpsError. Changes AWS."""
        found = self.backups.restored(name)
        if found is None or not found.ready:
            raise OpsError(f"nothing of {name} is restored", remedy=f"ops backup restore {name}")
        password = secrets.token_urlsafe(24)
        login = replace(self._login(name), host=found.address, port=found.port, password=password)
        self.backups.password(name, password)
        until = self._clock.now() + _LOGIN
        while True:
            try:
                ask(login, "select 1", seconds=30)
            except OpsError:
                if self._clock.now() > until:
                    raise
                self._clock.sleep(1)
            else:
                return login

    def check(self, name: str, *, rpo: float | None) -> dict[str, Json]:
        """What was measured; ``rpo``: seconds that may be lost. Raises OpsError that names all that does not hold."""
        beats, checks = self._fleet.databases[name].heartbeat, self._fleet.recovery.checks.get(name, ())
        loss, login = self._losses[name], self.reach(name)
        found = verify(partial(ask, login, seconds=_QUERY_SECONDS), checks, loss.rows, loss.senseless)
        beat = heartbeat.newest(login)
        newest = loss.choice.at == loss.newest_at
        if newest and beat is not None and beats:
            lost, source = (loss.at - beat).total_seconds(), "heartbeat"
        else:
            lost, source = (loss.at - loss.newest_at).total_seconds(), "recovery point"
        wrong = [f"{check.name}: {check.found}" for check in found if not check.holds]
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
        }
