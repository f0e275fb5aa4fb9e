"""``ops`` that dies, as by ``kill -9``, once that event stands in the journal of its run.

python -m tests.hosts.ops_killed EVENT WORD…
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from unittest.mock import patch

from quartermaster.cli import main
from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Run

_record = Run.record


def _record_until(run: Run, events: Iterable[Event]) -> Iterator[Event]:
    for event in _record(run, events):
        if f"{event.kind} {event.step}" == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        yield event


if __name__ == "__main__":
    with patch.object(Run, "record", _record_until):
        sys.exit(main.run(sys.argv[2:]))
