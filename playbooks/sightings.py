"""When each update was first seen pending: the memory that ages and delays of approval are counted from.

An update is known by its package and the version installed. A newer candidate for that version, or the same candidate
for another version, is the update that was seen before: a patch that is released again does not begin its delay anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import sqlalchemy as sa

from quartermaster.fleet.tables import updates_seen as _seen
from quartermaster.playbooks.machine import Survey, Update

__all__ = ["Sightings"]


class Sightings:
    """The updates ever seen, in the journal's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def remember(self, surveys: Mapping[str, Survey], now: datetime) -> dict[str, Survey]:
        """The surveys with ``first_seen`` filled in; what was not known is written down as seen ``now`` (aware)."""
        pending = {update for survey in surveys.values() for update in survey.updates if update.old}
        instant = now.astimezone(UTC).isoformat()
        with self._engine.begin() as db:
            rows = db.execute(sa.select(_seen).where(_seen.c.package.in_({update.name for update in pending})))
            known = {(row.package, row.installed, row.candidate): str(row.first_seen) for row in rows}
            fresh = sorted({_key(update) for update in pending} - set(known))
            if fresh:
                columns = ("package", "installed", "candidate")
                db.execute(
                    _seen.insert(), [{**dict(zip(columns, key, strict=True)), "first_seen": instant} for key in fresh]
                )
        known |= dict.fromkeys(fresh, instant)
        since = _earliest(known)
        return {
            host: replace(survey, updates=tuple(_dated(update, since) for update in survey.updates))
            for host, survey in surveys.items()
        }


def _key(update: Update) -> tuple[str, str, str]:
    return update.name, update.old, update.new


def _earliest(known: Mapping[tuple[str, str, str], str]) -> dict[tuple[str, str, str], str]:
    """The first sighting of each (package, from, installed) and (package, to, candidate)."""
    found: dict[tuple[str, str, str], str] = {}
    for (package, installed, candidate), at in known.items():
        for end in ((package, "from", installed), (package, "to", candidate)):
            found[end] = min(at, found.get(end, at))
    return found


def _dated(update: Update, since: Mapping[tuple[str, str, str], str]) -> Update:
    if not update.old:  # it comes with what needs it
        return update
    return replace(update, first_seen=min(since[update.name, "from", update.old], since[update.name, "to", update.new]))
