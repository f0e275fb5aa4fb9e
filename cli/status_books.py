"""What ``ops status`` says of the stack as a whole: work that was cut short, and what ails journal, disk and clock."""

from __future__ import annotations

import shutil
import socket
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quartermaster.cli.history import mend, state_of
from quartermaster.fleet.chain import broken
from quartermaster.fleet.durations import age
from quartermaster.fleet.status import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quartermaster.cli.session import Session
    from quartermaster.fleet.journal import RunRow
    from quartermaster.fleet.leases import LeaseRow

__all__ = ["of_books"]

_LEASED = ("patch", "drill", "provision", "configure")
"""Kinds of runs that hold leases from their first moment to their last."""
_SETTLED = timedelta(minutes=2)
"""Two terms of a lease: who holds none that long after it began works no more."""
_LOOKED_AT = 1_000
"""Lines of the journal, the newest, that every look holds to their hashes; all take `ops history verify`."""
_AHEAD = timedelta(minutes=1)
_MIB = 2**20
_LITTLE, _NONE = 1024 * _MIB, 64 * _MIB
"""Free on the disk of .ops: the stuff of a day, and of a run or two."""
_SCHEDULED = timedelta(days=7)
"""A stack of which no scheduler planned a day for so long has none."""


def of_books(ops: Session, held: Sequence[LeaseRow], now: datetime) -> list[Remark]:
    """The remarks on the stack; ``held``: every lease. Read-only."""
    return [
        *_unfinished(ops, held, now),
        *_journal(ops, now),
        *_disk(ops),
        *_notices(ops, now),
        *_scheduler(ops, held, now),
    ]


def _unfinished(ops: Session, held: Sequence[LeaseRow], now: datetime) -> Iterator[Remark]:
    """Runs that were cut short and that nobody has taken up since."""
    holders = {lease.run for lease in held}
    for row in ops.journal.runs(stack=ops.stack, states=("running", "stopped")):
        state, kind = state_of(row), row.kind.partition("_")[0]
        if _lost(row, kind, holders, now):
            how = f"runs on {row.host} by the journal, and holds no lease: its process is gone, or its machine"
        elif state == "interrupted":
            how = f"was cut short {_since(ops, row, now)}"
        elif state == "stopped" and row.kind in ("patch", "drill", "runbook"):
            how = f"stopped part-way {_since(ops, row, now)}"
        else:
            continue
        what = row.kind.replace("_", " ") + (f" of {row.subject.replace('_', ' ')}" if row.subject else "")
        yield Remark("failing", f"{what} {how}", mend(row) or f"ops history {row.id}", row.id)


def _lost(row: RunRow, kind: str, holders: set[str], now: datetime) -> bool:
    """Whether a run of another machine ended without a word. Of those of this one the process tells."""
    elsewhere = row.state == "running" and row.host != socket.gethostname()
    return elsewhere and kind in _LEASED and row.id not in holders and now - row.started_at > _SETTLED


def _since(ops: Session, row: RunRow, now: datetime) -> str:
    last = None if row.ended_at else ops.journal.last(row.id)
    at = row.ended_at or (last.at if last else row.started_at)
    return f"{age((now - at).total_seconds())} ago"


def _journal(ops: Session, now: datetime) -> Iterator[Remark]:
    lines = ops.journal.newest(_LOOKED_AT)
    if found := broken(lines, prior=None):
        yield Remark("failing", f"the journal was edited at line {found.line}: {found.why}", "ops history verify")
    ahead = datetime.fromisoformat(lines[-1].at) - now if lines else timedelta()
    if ahead > _AHEAD:
        behind = age(ahead.total_seconds())
        text = f"the clock of {socket.gethostname()} is {behind} behind the journal's last line"
        yield Remark("failing", text, "set it (timedatectl): leases, windows and schedules go by it")


def _disk(ops: Session) -> Iterator[Remark]:
    free = shutil.disk_usage(ops.workspace.database.parent).free
    if free < _LITTLE:
        root = ops.workspace.root
        text = f"{free // _MIB} MiB are left on the disk of {root}: no run begins without room for its journal"
        yield Remark("failing" if free < _NONE else "attention", text, f"make room; {root}/cache may go")


def _notices(ops: Session, now: datetime) -> Iterator[Remark]:
    from quartermaster.fleet.notices import Deliveries

    missed = Deliveries(ops.journal.engine).missed(now - timedelta(days=1)) if ops.fleet.notify else []
    for channel, count in Counter(item.channel for item in missed).items():
        error = next(item.error for item in missed if item.channel == channel)
        yield Remark("attention", f"{count} notices did not reach {channel}: {error}", "ops notify test")


def _scheduler(ops: Session, held: Sequence[LeaseRow], now: datetime) -> Iterator[Remark]:
    planned = ops.journal.runs("calendar", stack=ops.stack, since=now - _SCHEDULED, limit=1)
    if planned and not any(lease.scope == f"scheduler of {ops.stack}" for lease in held):
        text = f"no scheduler runs: no patch window, drill or check is kept since {planned[0].started_at:%a %d %b}"
        yield Remark("attention", text, "ops scheduler run, or its systemd unit")
