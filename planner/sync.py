"""Bring the store up to what a source has: what was never asked for, gaps, and points that came late.

What a source has forgotten stays in the store. Syncing twice adds nothing; a killed sync goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from quartermaster.fleet.errors import InputError
from quartermaster.planner.frame import UNKNOWN_UNIT
from quartermaster.planner.partitions import About, Shelf, Written, locked, shelf, shelves
from quartermaster.planner.readings import Readings, periods
from quartermaster.planner.sources import Answer, Query, Retention, Source, Stretch

__all__ = ["SeriesSync", "drop_minutes", "sync"]

_US = 1_000_000
_LATE = timedelta(hours=1)
"""Asked for again each time: points that arrive late replace what was there."""
_AT_ONCE = 500
"""Queries read together, then stored: what a killed sync loses at most."""


@dataclass(frozen=True, slots=True)
class SeriesSync:
    """What a sync did to one series."""

    series: str
    unit: str
    origin: str
    asked: int
    """Points that there could have been in the times asked for."""
    added: int
    changed: int
    refused: int
    """Points of months of which the store keeps roll-ups only."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def sync(
    store: Path, source: Source, queries: Sequence[Query], now: datetime, *, since: datetime | None = None
) -> Iterator[SeriesSync]:
    """Read what the store lacks, a result for each query once it is stored. Changes the store.

    ``since``: look for gaps from there on; by default from where the last sync ended. Raises InputError for a series
    that the store has in another unit, before anything is read, and OpsError for a source that does not answer.
    """
    shelves(store)
    retention = source.retention(now)
    for query in queries:
        known = shelf(store, query.series).about()
        if known is not None and known.unit not in (query.unit, UNKNOWN_UNIT):
            raise InputError(
                f"series {query.series!r} is stored in {known.unit!r}, the source has it in {query.unit!r}",
                remedy="import the other history under another name, or sync under another one (series: in fleet.yaml)",
            )
    for first in range(0, len(queries), _AT_ONCE):
        some = queries[first : first + _AT_ONCE]
        plans = {q.series: _wanted(shelf(store, q.series), q, retention, now, since) for q in some}
        wanted = [(q, stretch) for q in some for stretch in plans[q.series]]
        answers = sorted(source.read(wanted), key=lambda a: (a.query.series, a.stretch.start_us))
        by_series = {name: list(of) for name, of in groupby(answers, key=lambda a: a.query.series)}
        for query in some:
            with locked(store):
                yield _stored(shelf(store, query.series), query, by_series.get(query.series, []), plans[query.series])


def drop_minutes(store: Path, now: datetime, days: int) -> dict[str, tuple[str, ...]]:
    """Keep only roll-ups of the months that ended more than ``days`` ago; those months by series. Changes the store."""
    limit = np.datetime64((now - timedelta(days=days)).replace(tzinfo=None), "M")
    dropped = {}
    for name, place in shelves(store).items():
        with locked(store):
            old = [m for m in place.months() if np.datetime64(m, "M") < limit and _is_fine(place.readings(m))]
            for month in old:
                place.keep_rollups(month, f"ended more than {days} days before {now:%Y-%m-%d}")
        if old:
            dropped[name] = tuple(old)
    return dropped


def _is_fine(readings: Readings) -> bool:
    return len(readings) > 0 and int(periods(readings).min()) < 300


def _wanted(
    place: Shelf, query: Query, retention: Sequence[Retention], now: datetime, since: datetime | None
) -> list[Stretch]:
    about = place.about()
    end, oldest = _micros(now), _micros(min(r.since for r in retention))
    begin = oldest if since is None else max(oldest, _micros(since))
    asked = about.asked if about is not None and about.origin == query.origin else None
    late = end
    if asked is not None:
        # The last hour anew, as far as the finest points still exist: coarser ones would stand beside them.
        late = max(asked[1] - _late(), min(_whole_since(retention[0], retention), asked[1]))
        begin = late if since is None else min(begin, late)
    covered = _covered(place, begin)
    spans = [s for s in _holes(covered, begin, late) if since is not None or asked is None]
    spans += [(late, end)] if late < end else []
    return [stretch for a, b in spans for stretch in _split(a, b, retention)]


def _covered(place: Shelf, begin: int) -> list[tuple[int, int]]:
    """Times that readings stand for, and months of which only roll-ups are left."""
    about = place.about()
    rolled = about.rolled if about is not None else {}
    spans = []
    for month in place.months():
        first = np.datetime64(month, "M")
        ends = (first + 1).astype("datetime64[us]").astype(np.int64)
        if ends <= begin:
            continue
        if month in rolled:
            spans.append((int(first.astype("datetime64[us]").astype(np.int64)), int(ends)))
            continue
        readings = place.readings(month)
        spans += list(zip(readings.times.tolist(), (readings.times + periods(readings) * _US).tolist(), strict=True))
    return spans


def _holes(covered: list[tuple[int, int]], begin: int, end: int) -> Iterator[tuple[int, int]]:
    at = begin
    for start, stop in covered:
        if start > at and at < end:
            yield at, min(start, end)
        at = max(at, stop)
    if at < end:
        yield at, end


def _split(start: int, end: int, retention: Sequence[Retention]) -> Iterator[Stretch]:
    """The stretches of a span, oldest first, each at the finest resolution that exists for it, in whole periods."""
    limit = end
    found = []
    for kept in retention:
        step, since = kept.seconds * _US, _whole_since(kept, retention)
        first, last = -(-max(start, since) // step) * step, limit // step * step
        if first < last:
            found.append(Stretch(first, last, kept.seconds))
        limit = min(limit, since)
    yield from reversed(found)


def _stored(place: Shelf, query: Query, answers: Sequence[Answer], stretches: Sequence[Stretch]) -> SeriesSync:
    about = place.about() or About(query.series, query.unit)
    same = about.origin == query.origin
    about = replace(about, unit=query.unit, origin=query.origin, asked=about.asked if same else None)
    place.tell(about)
    readings, heard = _filled(place, query, answers, same)
    done = place.add(readings) if len(readings) else Written()
    if stretches:
        end = stretches[-1].end_us
        if query.silence_is_zero:
            # Silence since the last point is no zero yet: it becomes one when points come again.
            end = min(end, heard) if heard else (about.asked[1] if about.asked else end)
        begin = min(stretches[0].start_us, about.asked[0]) if about.asked else stretches[0].start_us
        place.tell(replace(about, asked=(begin, max(end, about.asked[1] if about.asked else end))))
    asked = sum(s.steps for s in stretches)
    return SeriesSync(query.series, query.unit, query.origin, asked, done.added, done.changed, done.refused)


def _filled(place: Shelf, query: Query, answers: Sequence[Answer], same: bool) -> tuple[Readings, int]:
    """The readings of all answers, with zeros for silence between points; and the end of the last point, 0 for none."""
    parts = [Readings.none(), *(a.readings for a in answers)]
    if not query.silence_is_zero:
        return Readings.joined(parts), 0
    stored = place.readings() if same else Readings.none()
    heard = max((int(p.times[-1]) + int(periods(p)[-1]) * _US for p in (*parts, stored) if len(p)), default=0)
    earliest = min((int(p.times[0]) for p in (*parts, stored) if len(p)), default=0)
    for answer in answers:
        step = answer.stretch.seconds * _US
        first = max(answer.stretch.start_us, -(-earliest // step) * step)
        grid = np.arange(first, min(answer.stretch.end_us, heard), step, dtype=np.int64)
        silent = np.setdiff1d(np.setdiff1d(grid, answer.readings.times), stored.times)
        parts.append(Readings.of(silent, np.zeros(len(silent)), answer.stretch.seconds))
    every = Readings.joined(parts)
    return every.where(np.argsort(every.times, kind="stable")), heard


def _whole_since(kept: Retention, retention: Sequence[Retention]) -> int:
    """Since when a resolution is used: from a whole period of the coarsest on, so that no two overlap."""
    coarsest = max(r.seconds for r in retention) * _US
    return -(-_micros(kept.since) // coarsest) * coarsest


def _micros(instant: datetime) -> int:
    return round(instant.timestamp() * _US)


def _late() -> int:
    return int(_LATE.total_seconds()) * _US
