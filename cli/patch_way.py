"""Which way a name is patched: a cluster's hosts where they are (``patch`` itself) or by replacement, a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.journal import RunRow

__all__ = ["Way", "require", "way"]


class Way(Protocol):
    """What the commands of ``ops patch`` do another way; ``override`` is the reason to break window and freeze."""

    def plan(self, ops: Session, name: str, override: str) -> None: ...

    def run(self, ops: Session, name: str, override: str) -> None: ...

    def resume(self, ops: Session, row: RunRow, override: str) -> None: ...

    def recover(self, ops: Session, row: RunRow) -> None: ...


def way(ops: Session, name: str, row: RunRow | None = None) -> Way | None:
    """The other way, None where hosts are patched in place. A run goes on as it began, whatever fleet.yaml says now."""
    from quartermaster.cli import patch_database, patch_replace

    if name in ops.fleet.postgres:
        return patch_database
    replaced = patch_replace.replaced(ops, row) if row is not None else patch_replace.replaces(ops, name)
    return patch_replace if replaced else None


def require(ops: Session, name: str) -> None:
    """See that there is something to patch of that name. Raises InputError."""
    known = (*ops.fleet.clusters, *ops.fleet.postgres)
    if name not in known:
        there = f"{name} is a table: AWS alone patches what serves it"
        nothing = f"no cluster or database {name!r} in {ops.fleet_file.name}"
        raise InputError(there if name in ops.fleet.databases else nothing, remedy=f"one of: {', '.join(known)}")
