"""Sentences that several rules share."""

from __future__ import annotations

from collections.abc import Iterable

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.faults import closest

__all__ = ["unknown"]


def unknown(where: str, what: str, name: str, known: Iterable[str]) -> Fault:
    """The fault of a name that names nothing, with the one it may have meant."""
    known = list(known)
    near = closest(name, known)
    if near:
        remedy = f"did you mean {near}?"
    else:
        remedy = f"one of: {', '.join(known)}" if known else f"declare the {what} first"
    return Fault(where, f"there is no {what} {name!r}", remedy)
