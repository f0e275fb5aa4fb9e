"""The journal's hash chain, as values and as a file of JSON Lines: each line carries the hash of the one before.

A file ends with a line that tells how many there are and the hash of the last; so what is cut off at the end shows too.
Of lines of other runs that lie between those of the run exported, only the hashes are told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from quartermaster.fleet.events import Json

__all__ = ["CLOSED", "OPENED", "RESUMED", "Broken", "Line", "broken", "check_file", "digest", "to_file", "written"]

OPENED, RESUMED, CLOSED = "opened", "resumed", "closed"
"""Kinds of the lines that the journal itself writes: what a run was given, who took it up again, what it came to."""
_FORMAT = "quartermaster-journal-1"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal as it is written down."""

    seq: int
    run: str
    at: str
    record: str | None
    """JSON; None where only the hashes are told."""
    prior_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a chain breaks."""

    line: int
    """Sequence number of the line; of a file, the number of the line in it."""
    why: str


def digest(prior: str, run: str, at: str, record: str) -> str:
    """The hash of a line: SHA-256 over the hash before it, its run, its time and its record."""
    return hashlib.sha256("\n".join((prior, run, at, record)).encode()).hexdigest()


def written(value: Json) -> str:
    """A record as it is written down: equal values give equal text."""
    return json.dumps(value, sort_keys=True, default=str)


def broken(lines: Iterable[Line], *, prior: str | None = "") -> Broken | None:
    """The first line that does not follow, by its sequence number. ``prior``: the hash before; None: unknown."""
    for line in lines:
        why = _fault(line, prior)
        if why:
            return Broken(line.seq, why)
        prior = line.hash
    return None


def to_file(lines: Iterable[Line], *, run: str = "") -> Iterator[str]:
    """The lines as JSON Lines, each with its newline; with ``run`` only that run's are told in full."""
    yield _row({"format": _FORMAT, "run": run or None})
    count, last = 0, ""
    for line in lines:
        shown: dict[str, Json] = {"seq": line.seq, "prior_hash": line.prior_hash, "hash": line.hash}
        if not run or line.run == run:
            shown |= {"run": line.run, "at": line.at, "record": line.record}
        yield _row(shown)
        count, last = count + 1, line.hash
    yield _row({"lines": count, "hash": last})


def check_file(text: Iterable[str]) -> tuple[Mapping[str, Json], Broken | None]:
    """What a file says of itself, ``run``, ``lines`` and ``hash``, and where its chain breaks.

    Raises ValueError for what is no export.
    """
    rows = iter(text)
    run = _head(next(rows, ""))
    prior, count, seq = None if run else "", 0, 0
    for number, row in enumerate(rows, start=2):
        about = {"run": run, "lines": count, "hash": prior or ""}
        try:
            found = json.loads(row)
            if "lines" in found:
                if next(rows, None) is not None:
                    return about, Broken(number + 1, "it stands after the end")
                whole = (found["lines"], found["hash"]) == (count, prior or "")
                return about, None if whole else Broken(
                    number, f"{found['lines']} lines were written, {count} are there"
                )
            record, at, whose = found.get("record"), found.get("at", ""), found.get("run", "")
            line = Line(found["seq"], whose, at, record, found["prior_hash"], found["hash"])
        except (json.JSONDecodeError, RecursionError, KeyError, TypeError, AttributeError):
            return about, Broken(number, "it is no line of a journal")
        why = _fault(line, prior) or ("it stands out of order" if line.seq <= seq else "")
        if why:
            return about, Broken(number, why)
        prior, count, seq = line.hash, count + 1, line.seq
    return {"run": run, "lines": count, "hash": prior or ""}, Broken(count + 2, "the end is missing")


def _head(row: str) -> str:
    """The run that a file is of, as its first line says; empty: all of the journal."""
    try:
        found = json.loads(row)
        if found["format"] == _FORMAT:
            return str(found["run"] or "")
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError):
        pass
    raise ValueError(f"its first line does not say {_FORMAT}")


def _row(values: Mapping[str, Json]) -> str:
    return json.dumps(values) + "\n"


def _fault(line: Line, prior: str | None) -> str:
    if prior is not None and line.prior_hash != prior:
        return "it does not follow from the line before it: one was removed, added or moved"
    if line.record is not None and line.hash != digest(line.prior_hash, line.run, line.at, line.record):
        return "it was edited: its hash is of something else"
    return ""
