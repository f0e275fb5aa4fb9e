"""Whether the journal is what was written down: its chain of lines, and the list of runs held to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from quartermaster.fleet.chain import CLOSED, OPENED, RESUMED, Broken, Line, broken, written
from quartermaster.fleet.tables import events, runs

__all__ = ["audit", "last_hash", "lines"]

_TOLD = tuple(f'"kind": "{kind}"' for kind in (OPENED, RESUMED, CLOSED))


def audit(db: sa.Connection) -> Broken | None:
    """The first line that does not follow from those before, or that tells otherwise of its run than the list does.

    Chain and list are those of one instant where the connection reads only.
    """
    last: dict[tuple[str, str], Line] = {}

    def noted(found: Iterable[Line]) -> Iterator[Line]:
        for line in found:
            yield line  # what does not follow ends it here: an edited record may be no JSON any more
            record = line.record or ""
            kind = json.loads(record)["kind"] if any(told in record for told in _TOLD) else ""
            if kind in (OPENED, CLOSED):
                last[line.run, kind] = line
            elif kind == RESUMED:
                last.pop((line.run, CLOSED), None)

    chain = broken(noted(lines(db)))
    rows = db.execute(sa.select(runs).order_by(runs.c.started_at)).all()
    return chain or next((found for row in rows if (found := _untrue(row, last))), None)


def lines(db: sa.Connection, run_id: str = "", between: bool = False) -> Iterator[Line]:
    """Every line, or those of one run, in order; ``between``: what lies between them too."""
    query = sa.select(events).order_by(events.c.seq)
    if run_id and between:
        ends = sa.select(sa.func.min(events.c.seq), sa.func.max(events.c.seq)).where(events.c.run == run_id)
        query = query.where(events.c.seq.between(*db.execute(ends).one()))
    elif run_id:
        query = query.where(events.c.run == run_id)
    with db.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            yield Line(row.seq, row.run, row.at, row.record, row.prior_hash, row.hash)


def last_hash(db: sa.Connection) -> str:
    """Of the last line; empty without one."""
    return db.execute(sa.select(events.c.hash).order_by(events.c.seq.desc()).limit(1)).scalar() or ""


def _untrue(row: sa.Row[Any], last: Mapping[tuple[str, str], Line]) -> Broken | None:
    """Where the list of runs tells otherwise of a run than the chain does."""
    given, ended = last.get((row.id, OPENED)), last.get((row.id, CLOSED))
    if given is None:
        return Broken(0, f"run {row.id} is listed, and no line opens it")
    # As text: what is no number equals nothing, not even itself.
    if written(json.loads(given.record or "{}")["inputs"]) != written(row.inputs):
        return Broken(given.seq, f"what run {row.id} was given is listed otherwise")
    told = json.loads(ended.record or "{}") if ended else {"state": "running", "result": row.result}
    if written([told["state"], told["result"]]) != written([row.state, row.result]):
        return Broken(ended.seq if ended else given.seq, f"what run {row.id} came to is listed otherwise")
    return None
