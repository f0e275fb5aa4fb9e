"""What was read of the hosts, kept in the journal's database: the last reading whole, earlier ones as their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from quartermaster.fleet.hosts import Host
from quartermaster.fleet.store import reading
from quartermaster.fleet.tables import readings as _readings
from quartermaster.playbooks.machine import Survey, Update

__all__ = ["HostReading", "Reading", "Readings", "Tally", "tally"]


@dataclass(frozen=True, slots=True)
class HostReading:
    """One host as it was read."""

    id: str
    zone: str
    survey: Survey


@dataclass(frozen=True, slots=True)
class Reading:
    """A cluster's hosts as they were read at one instant."""

    at: datetime
    hosts: tuple[HostReading, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A reading in numbers."""

    at: datetime
    hosts: int
    unreachable: int
    pending: int
    """Updates, summed over the hosts."""
    security: int
    reboots: int
    """Hosts that ask for one."""
    oldest_days: float | None
    """Since the oldest pending update was first seen; None: nothing is pending, or no age is known."""


def tally(read: Reading) -> Tally:
    """The reading in numbers. Pure."""
    updates = [update for host in read.hosts for update in host.survey.updates if update.old]
    seen = [datetime.fromisoformat(update.first_seen) for update in updates if update.first_seen]
    return Tally(
        at=read.at,
        hosts=len(read.hosts),
        unreachable=sum(bool(host.survey.error) for host in read.hosts),
        pending=len(updates),
        security=sum(update.security for update in updates),
        reboots=sum(host.survey.reboot_required for host in read.hosts),
        oldest_days=(read.at - min(seen)).total_seconds() / 86400 if seen else None,
    )


class Readings:
    """The readings of all clusters."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def keep(
        self, stack: str, cluster: str, hosts: Sequence[Host], surveys: Mapping[str, Survey], now: datetime
    ) -> None:
        """Write down what the hosts said ``now`` (aware); of earlier readings only the numbers stay."""
        read = Reading(now, tuple(HostReading(host.id, host.zone, surveys[host.id]) for host in hosts))
        numbers = {**asdict(tally(read)), "at": now.astimezone(UTC).isoformat()}
        ours = (_readings.c.stack == stack) & (_readings.c.cluster == cluster)
        with self._engine.begin() as db:
            db.execute(_readings.update().where(ours & _readings.c.hosts.is_not(None)).values(hosts=None))
            db.execute(
                _readings.insert().values(
                    stack=stack,
                    cluster=cluster,
                    at=numbers["at"],
                    tally=json.dumps(numbers),
                    hosts=json.dumps([asdict(host) for host in read.hosts]),
                )
            )

    def last(self, stack: str) -> dict[str, Reading]:
        """The last reading of each cluster of which the hosts were ever asked. Read-only."""
        with reading(self._engine) as db:
            rows = db.execute(
                sa.select(_readings).where(_readings.c.stack == stack, _readings.c.hosts.is_not(None))
            ).all()
        return {row.cluster: Reading(datetime.fromisoformat(row.at), _hosts(row.hosts)) for row in rows}

    def trend(self, stack: str, cluster: str) -> list[Tally]:
        """All readings in numbers, oldest first. Read-only."""
        ours = (_readings.c.stack == stack) & (_readings.c.cluster == cluster)
        with reading(self._engine) as db:
            told = db.execute(sa.select(_readings.c.tally).where(ours).order_by(_readings.c.id)).scalars().all()
        rows = [json.loads(row) for row in told]
        return [Tally(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]


def _hosts(record: str) -> tuple[HostReading, ...]:
    return tuple(HostReading(item["id"], item["zone"], _survey(item["survey"])) for item in json.loads(record))


def _survey(record: Mapping[str, object]) -> Survey:
    updates: Sequence[Mapping[str, str]] = record["updates"]  # type: ignore[assignment]
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    return Survey(**{**plain, "updates": tuple(Update(**update) for update in updates)})  # type: ignore[arg-type]
