"""The journal's hash chain, as values and as a file of JSON Lines: each line carries the hash of the one before.

A file starts with a line that tells how many follow and the hash of the last; so what is cut off at the end shows too.
Of lines of other runs that lie between those of the run exported, only the hashes are told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from quartermaster.fleet.events import Json

__all__ = ["CLOSED", "OPENED", "RESUMED", "Broken", "Line", "broken", "check_file", "digest", "to_file"]

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
    told = list(lines)
    if run:
        own = [place for place, line in enumerate(told) if line.run == run]
        told = told[own[0] : own[-1] + 1] if own else []
    head = {"format": _FORMAT, "run": run or None, "lines": len(told), "hash": told[-1].hash if told else ""}
    yield json.dumps(head) + "\n"
    for line in told:
        shown: dict[str, Json] = {"seq": line.seq, "prior_hash": line.prior_hash, "hash": line.hash}
        if not run or line.run == run:
            shown |= {"run": line.run, "at": line.at, "record": line.record}
        yield json.dumps(shown) + "\n"


def check_file(text: Iterable[str]) -> tuple[Mapping[str, Json], Broken | None]:
    """The first line of a file and where its chain breaks. Raises ValueError for what is no export."""
    head, prior, count, seq = None, None, 0, 0
    for number, row in enumerate(text, start=1):
        try:
            found = json.loads(row)
            if head is None:
                head = {"run": found["run"], "lines": int(found["lines"]), "hash": str(found["hash"])}
                if found["format"] != _FORMAT:
                    raise ValueError(f"its format is {found['format']!r}, not {_FORMAT!r}")
                prior = None if head["run"] else ""
                continue
            line = Line(
                found["seq"],
                found.get("run", ""),
                found.get("at", ""),
                found.get("record"),
                found["prior_hash"],
                found["hash"],
            )
        except (json.JSONDecodeError, KeyError, TypeError) as exc:
            if head is None:
                raise ValueError("its first line does not say what it is") from exc
            return head, Broken(number, "it is no line of a journal")
        why = _fault(line, prior) or ("it stands out of order" if line.seq <= seq else "")
        if why:
            return head, Broken(number, why)
        prior, count, seq = line.hash, count + 1, line.seq
    if head is None:
        raise ValueError("it is empty")
    if (count, prior or "") != (head["lines"], head["hash"]):
        return head, Broken(count + 2, f"{head['lines']} lines were written, {count} are there")
    return head, None


def _fault(line: Line, prior: str | None) -> str:
    if prior is not None and line.prior_hash != prior:
        return "it does not follow from the line before it: one was removed, added or moved"
    if line.record is not None and line.hash != digest(line.prior_hash, line.run, line.at, line.record):
        return "it was edited: its hash is of something else"
    return ""
