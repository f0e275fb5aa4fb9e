"""A patch run in a process of its own, to be killed: ``python -m tests.hosts.patch_driver FLEET_FILE [WHERE]``.

Goes on with the run that was cut off last, else starts one. Prints each event's step. It kills itself, as ``kill -9``
would, once an event stands in the journal, so that what it announces is not begun: the event KIND:STEP, or, with
PART/PARTS, the first that was not there before and whose number, of those that were new, leaves that remainder.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Journal
from quartermaster.playbooks import patch_run
from tests.hosts.patch_cluster import PatchCluster


def named(event: Event) -> tuple[str, str, str]:
    return event.kind, event.step, event.host


if __name__ == "__main__":
    cluster, where = PatchCluster(Path(sys.argv[1])), sys.argv[2] if len(sys.argv) > 2 else ""
    part, parts = (int(number) for number in where.split("/")) if "/" in where else (0, 0)
    journal = Journal.open(cluster.workspace.database)
    rows = journal.runs("patch")
    past: list[Event] = []
    if rows and rows[0].interrupted:
        run = journal.resume(rows[0].id)
        past = [row.event for row in journal.events(run.id)]
        events = patch_run.resume(past, run.id, cluster.tools())
    else:
        run = journal.start("patch", stack="dev", subject="web")
        events = patch_run.run(cluster.plan(), run.id, cluster.tools())
    seen = {named(event) for event in past}
    for event in run.record(events):
        sys.stdout.write(f"{event.kind} {event.step} {event.host}\n")
        sys.stdout.flush()
        new = named(event) not in seen
        seen.add(named(event))
        if where == f"{event.kind}:{event.step}" or (new and parts and len(seen) % parts == part):
            os.kill(os.getpid(), signal.SIGKILL)
    run.finish("done")
