"""Tells what is due in a process of its own, so that no run waits for a channel that is slow or down.

``nudge`` starts one; ``python -m quartermaster.cli.notify_worker FLEET STACK`` is one. Two at once tell nothing twice.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import OpsError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session

__all__ = ["nudge", "tell"]

_PATIENCE = timedelta(minutes=1)
"""How long a worker waits for tries that failed; later commands go on where it left."""
_NEWS = timedelta(days=7)
"""What ended longer ago than this is told to nobody any more."""


def nudge(ops: Session) -> None:
    """Let what is due be told, without waiting for it. Starts a process that outlives this one.

    Where none can be started (a full disk, no process left) the work goes on, and the next command tells.
    """
    with suppress(OSError), (ops.workspace.folder("cache") / "notify.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "quartermaster.cli.notify_worker", str(ops.fleet_file.resolve()), ops.stack],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        ).returncode = 0  # not ours to wait for


def tell(ops: Session, *, patience: timedelta = _PATIENCE) -> None:
    """Tell all that is due, and try again what fails until patience ends. Sends to the channels; writes deliveries."""
    end = time.monotonic() + patience.total_seconds()
    while (again := _round(ops)) is not None:
        wait = (again - datetime.now(UTC)).total_seconds()
        if time.monotonic() + wait > end:
            return
        time.sleep(max(0.1, wait))


def _round(ops: Session) -> datetime | None:
    """Tell what is due now; when the next try is due, if any."""
    from quartermaster.cli.notify_send import send
    from quartermaster.fleet.notices import Deliveries, channel_of, notices, wanted

    deliveries = Deliveries(ops.journal.engine)
    tries: list[datetime] = []
    for number, channel in enumerate(ops.fleet.notify):
        name = channel_of(channel, number)
        now = datetime.now(UTC)
        first = max(deliveries.since(name, now), now - _NEWS)
        for row in reversed(ops.journal.runs(stack=ops.stack, since=now - 2 * _NEWS)):
            if max(row.started_at, row.ended_at or row.started_at) < first:
                continue
            for notice in notices(row, ops.fleet.fleet):
                if not wanted(notice, channel) or not deliveries.claim(name, notice, datetime.now(UTC)):
                    continue
                try:
                    send(ops, channel, notice)
                except OpsError as error:
                    again = deliveries.failed(name, notice, error.message, datetime.now(UTC))
                    tries += [again] if again is not None else []
                else:
                    deliveries.sent(name, notice)
    return min(tries, default=None)


def main() -> None:
    """Tell what is due for the fleet file and stack that the arguments name."""
    from quartermaster.cli.options import Options
    from quartermaster.cli.session import Session

    tell(Session(Options(fleet=Path(sys.argv[1]), stack=sys.argv[2])))


if __name__ == "__main__":
    main()
