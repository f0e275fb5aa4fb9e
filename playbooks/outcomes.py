"""What a patch run came to, whichever way its hosts were patched, told from its events alone."""

from __future__ import annotations

from collections.abc import Iterable

from quartermaster.fleet.events import Event
from quartermaster.playbooks import patch_result, replace_past
from quartermaster.playbooks.patch_result import PatchResult

__all__ = ["outcome"]


def outcome(events: Iterable[Event], *, run: str) -> PatchResult:
    """The result of a run as its events tell it. Pure. Raises InputError when they hold no plan."""
    rows = list(events)
    tell = replace_past.outcome if replace_past.is_replacement(rows) else patch_result.outcome
    return tell(rows, run=run)
