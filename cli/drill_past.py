"""What the journal tells of earlier drills: how many, when, how long, and what was changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.journal import RunRow
    from quartermaster.planner.drill_needs import Past

__all__ = ["drills_past"]

_CHANGES = {"provision_up": "ops provision up", "configure": "ops configure", "patch": "ops patch run"}
"""Runs that change what a drill proved."""
_COUNTED = ("create", "update", "delete", "replace")


def drills_past(ops: Session) -> Mapping[tuple[str, str], Past]:
    """Earlier drills of the stack that were carried through, by kind and subject."""
    from quartermaster.planner.drill_needs import Past

    found: dict[tuple[str, str], list[RunRow]] = {}
    for row in ops.journal.runs("drill", stack=ops.stack, states=("done",)):
        kind, _, of = row.subject.partition(" ")
        found.setdefault((kind, of), []).append(row)
    since = min((done[0].started_at for done in found.values()), default=None)
    later = [
        row
        for kind in (_CHANGES if found else ())
        for row in ops.journal.runs(kind, stack=ops.stack, states=("done",), since=since)
        if _changed(row)
    ]
    changes = sorted(later, key=lambda row: row.started_at, reverse=True)
    return {
        (kind, of): Past(
            runs=len(done),
            last_at=done[0].started_at,
            seconds=max((row.ended_at - row.started_at).total_seconds() for row in done if row.ended_at),
            changed=_since(ops, changes, of, done[0]),
        )
        for (kind, of), done in found.items()
    }


def _since(ops: Session, changes: Sequence[RunRow], of: str, last: RunRow) -> str:
    """The newest change to what the drill is of since its last run."""
    uses = ops.fleet.clusters[of].uses if of in ops.fleet.clusters else ()
    concerned = ("", of, *uses, *(name for name, cluster in ops.fleet.clusters.items() if of in cluster.uses))
    for row in changes:
        if row.started_at > last.started_at and row.subject in concerned:
            return f"{_CHANGES[row.kind]} {row.subject}".rstrip() + f" on {row.started_at.astimezone(ops.fleet.tz):%F}"
    return ""


def _changed(row: RunRow) -> bool:
    """Whether the run changed anything; those that do not count their changes are taken to have."""
    counts = (row.result or {}).get("changes")
    return counts is None or any(counts.get(name) for name in _COUNTED)
