"""What runs have to say to people: read from the journal alone, so a run never waits for whoever is told.

A notice is told once to each channel that wants it. What could not be told stays due: the next command or the
scheduler tells it, after a kill as well (``cli/notify_worker.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa

from quartermaster.fleet.journal import RunRow
from quartermaster.fleet.schema import Notify
from quartermaster.fleet.store import reading
from quartermaster.fleet.tables import deliveries as _deliveries

__all__ = ["Deliveries", "Delivery", "Notice", "channel_of", "notices", "outcome", "wanted"]

_WAITS = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
"""Before each further try; after the last one a notice is given up."""
_CLAIM = timedelta(minutes=2)
"""How long whoever tells a notice has for it: a killed one's is free again afterwards."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell."""

    run: str
    what: str
    """``override``, or how the run ended: done, failed, stopped, recovered."""
    kind: str
    """What channels choose by: ``patch.done``, ``drill.failed``, ``override``."""
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a notice has come on one channel."""

    channel: str
    run: str
    what: str
    state: str
    """waiting, sent or given up."""
    tries: int
    next_at: datetime
    error: str
    """Of the last try; empty when it went well."""


def notices(row: RunRow, fleet: str) -> tuple[Notice, ...]:
    """What the run has to say so far: that it overrides something, and how it ended. Pure."""
    about = f"{fleet}/{row.stack}: {row.kind.replace('_', ' ')}" + (f" of {row.subject}" if row.subject else "")
    found = []
    if why := _overridden(row.inputs):
        text = f"{why}\nstarted {row.started_at:%Y-%m-%d %H:%M} UTC by {row.owner}@{row.host}\nops history {row.id}"
        found.append(Notice(row.id, "override", "override", f"{about} breaks a rule", text))
    if row.ended_at is not None:
        result = row.result or {}
        lines = [*outcome(result), f"ended {row.ended_at:%Y-%m-%d %H:%M} UTC, by {row.owner}@{row.host}"]
        text = "\n".join([*lines, f"ops history {row.id}"])
        found.append(Notice(row.id, row.state, f"{row.kind}.{row.state}", f"{about}: {row.state}", text))
    return tuple(found)


def wanted(notice: Notice, channel: Notify) -> bool:
    """Whether the channel is to be told of it. Pure."""
    return any(fnmatchcase(notice.kind, pattern) for pattern in channel.on)


def channel_of(channel: Notify, number: int) -> str:
    """What the channel is called: its place in fleet.yaml and its kind, never its address."""
    return f"{number}:{channel.kind}"


def _overridden(inputs: Mapping[str, Any]) -> str:
    arguments = list(inputs.get("arguments") or ())
    if "--override" in arguments:
        return " ".join(arguments)
    guards: Sequence[Mapping[str, Any]] = inputs.get("guards") or ()
    return "; ".join(f"{item['name']}: {item['found']}" for item in guards if item.get("verdict") == "overridden")


def outcome(result: Mapping[str, Any]) -> Iterable[str]:
    """The numbers that people ask for first."""
    for key in ("error", "failed", "why"):
        if result.get(key) and isinstance(result[key], str):
            yield result[key]
    if result.get("rto_seconds") is not None:
        met = {True: "met", False: "missed", None: "none declared"}[result.get("objective_met")]
        yield f"RTO {result['rto_seconds']:.1f} s ({result.get('evidence', '')}), objective {met}"
    requests = result.get("requests")
    if isinstance(requests, Mapping) and requests.get("sent"):
        yield f"{requests['failed']} of {requests['sent']} requests failed"
    changes = result.get("changes")
    if isinstance(changes, Mapping):
        yield ", ".join(f"{count} {name}" for name, count in changes.items() if count and name != "same")


class Deliveries:
    """What was told to whom, in the journal's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def since(self, channel: str, now: datetime) -> datetime:
        """When the channel was first seen: what ended before is history, not news. Writes it down the first time."""
        query = sa.select(_deliveries.c.next_at).where(_deliveries.c.channel == channel, _deliveries.c.what == "since")
        with reading(self._engine) as db:
            known = db.execute(query).scalar()
        if known is not None:
            return datetime.fromisoformat(known)
        first = now - _CLAIM  # the run that woke us began a moment ago
        with self._engine.begin() as db:
            if db.execute(query).scalar() is None:
                _add(db, channel, "", "since", "sent", first)
        return first

    def claim(self, channel: str, notice: Notice, now: datetime) -> bool:
        """Whether the caller is to tell it now. Nobody else is then, until it says how that went."""
        mine = _of(channel, notice)
        with self._engine.begin() as db:
            row = db.execute(sa.select(_deliveries).where(mine)).first()
            if row is None:
                _add(db, channel, notice.run, notice.what, "waiting", now + _CLAIM)
                return True
            if row.state != "waiting" or datetime.fromisoformat(row.next_at) > now:
                return False
            db.execute(_deliveries.update().where(mine).values(next_at=(now + _CLAIM).isoformat()))
            return True

    def sent(self, channel: str, notice: Notice) -> None:
        """It was told."""
        with self._engine.begin() as db:
            changed = {"state": "sent", "tries": _deliveries.c.tries + 1, "error": ""}
            db.execute(_deliveries.update().where(_of(channel, notice)).values(**changed))

    def failed(self, channel: str, notice: Notice, error: str, now: datetime) -> datetime | None:
        """It could not be told: when to try again, or None when it is given up. ``error`` holds no secret."""
        mine = _of(channel, notice)
        with self._engine.begin() as db:
            tries = db.execute(sa.select(_deliveries.c.tries).where(mine)).scalar_one()
            again = now + _WAITS[tries] if tries < len(_WAITS) else None
            changed = {"state": "given up" if again is None else "waiting", "tries": tries + 1, "error": error}
            db.execute(_deliveries.update().where(mine).values(next_at=(again or now).isoformat(), **changed))
        return again

    def missed(self, since: datetime) -> list[Delivery]:
        """What waits for another try, and what was given up since then, newest run first. Read-only."""
        late = sa.and_(_deliveries.c.state != "sent", _deliveries.c.next_at >= since.isoformat())
        return self._listed(late, _deliveries.c.error != "")

    def listed(self) -> list[Delivery]:
        """All that was or is to be told, newest run first. Read-only."""
        return self._listed()

    def _listed(self, *which: sa.ColumnElement[bool]) -> list[Delivery]:
        query = sa.select(_deliveries).where(_deliveries.c.what != "since", *which).order_by(_deliveries.c.run.desc())
        with reading(self._engine) as db:
            rows = [dict(row._mapping) for row in db.execute(query)]
        return [Delivery(**{**row, "next_at": datetime.fromisoformat(row["next_at"])}) for row in rows]


def _of(channel: str, notice: Notice) -> sa.ColumnElement[bool]:
    return sa.and_(_deliveries.c.channel == channel, _deliveries.c.run == notice.run, _deliveries.c.what == notice.what)


def _add(db: sa.Connection, channel: str, run: str, what: str, state: str, next_at: datetime) -> None:
    values = {"channel": channel, "run": run, "what": what, "state": state, "tries": 0, "error": ""}
    db.execute(_deliveries.insert().values(next_at=next_at.isoformat(), **values))
