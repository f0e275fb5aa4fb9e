"""``ops patch pause|abort``: a word to a run under way, from another terminal or by Ctrl-C in its own."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.output import confirm, emit, say
from quartermaster.cli.patch_way import require
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import GuardRefused, InputError
from quartermaster.fleet.events import Noted

if TYPE_CHECKING:
    from quartermaster.cli.group import Group
    from quartermaster.fleet.journal import Journal, RunRow

__all__ = ["Control", "attach", "open_until"]

_STEP = "asked"
_LOOK_SECONDS = 1.0
"""Between two looks into the journal: a run asks before each host and through its soaks."""

Cluster = Annotated[str, typer.Argument(help="Cluster that is being patched.")]


class Control:
    """What somebody wants of this pass of a run: ``pause``, ``abort`` or nothing. Threads may ask side by side."""

    def __init__(self, journal: Journal, run_id: str) -> None:
        self._journal = journal
        self._run = run_id
        self._before = len(journal.events(run_id, step=_STEP))
        """Words to earlier passes."""
        self._word = ""
        self._looked_at = 0.0
        self._looking = threading.Lock()

    def __call__(self) -> str:
        with self._looking:
            if self._word != "abort" and time.monotonic() - self._looked_at > _LOOK_SECONDS:
                words = self._journal.events(self._run, step=_STEP)[self._before :]
                self._word = str(words[-1].event.detail["word"]) if words else self._word
                self._looked_at = time.monotonic()
            return self._word

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the first Ctrl-C for a pause and leave the next to end the process, while the block runs."""

        def pause(_signal: int, _frame: Any) -> None:
            self._word = "pause"
            signal.signal(signal.SIGINT, signal.default_int_handler)
            say("pausing: hosts under work are finished, no other is started; Ctrl-C again stops at once")

        before = signal.signal(signal.SIGINT, pause)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def open_until(ops: Session, cluster: str, override: str) -> datetime | None:
    """When the work that goes on now must end. Raises GuardRefused outside the window or in a freeze."""
    from quartermaster.playbooks.patch_start import ends_at, time_faults

    now = ops.clock.now()
    faults = time_faults(ops.fleet, cluster, now)
    if faults and not override:
        raise GuardRefused(
            f"{cluster} is not patched now: " + "; ".join(faults),
            remedy=f"--override with --reason, if it must be now; `ops patch recover {cluster}` puts everything back",
        )
    return ends_at(ops.fleet, cluster, now)


def attach(group: Group) -> None:
    """Add the commands to ``ops patch``."""
    group.command("pause", example="ops patch pause web")(pause)
    group.command("abort", example="ops patch abort web --yes")(abort)


def pause(cluster: Cluster) -> None:
    """Let the run of a cluster finish the hosts under work and stop; `ops patch resume` goes on."""
    ops = session()
    _tell(ops, _under_way(ops, cluster), "pause", "hosts under work are finished, no other is started")


def abort(cluster: Cluster) -> None:
    """Let the run of a cluster finish the hosts under work, put everything back and end for good."""
    ops = session()
    row = _under_way(ops, cluster)
    confirm(f"Abort {row.id}? What it has patched stays so; hosts that it replaces go back.")
    _tell(ops, row, "abort", "hosts under work are finished, then everything is put back")


def _tell(ops: Session, row: RunRow, word: str, what: str) -> None:
    ops.journal.add(row.id, Noted(step=_STEP, message=f"asked to {word}", detail={"word": word}))
    emit({"run": row.id, "asked": word}, f"{row.id} is asked to {word}: {what}")


def _under_way(ops: Session, cluster: str) -> RunRow:
    require(ops, cluster)
    rows = ops.journal.runs("patch", stack=ops.stack, subject=cluster, states=("running",), limit=1)
    row = rows[0] if rows else None
    if row is None:
        raise InputError(f"no patch run of {cluster} is under way", remedy=f"ops patch status {cluster}")
    if row.interrupted:
        raise InputError(
            f"patch run {row.id} of {cluster} was cut short: its process is gone",
            remedy=f"ops patch resume {cluster} goes on; ops patch recover {cluster} puts everything back",
        )
    return row
