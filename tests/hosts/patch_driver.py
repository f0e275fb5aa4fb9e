"""A patch run in a process of its own, to be killed: ``python patch_driver.py FLEET_FILE`` prints each event's step."""

from __future__ import annotations

import sys
from pathlib import Path

from patch_cluster import PatchCluster  # beside this file: the script's own folder is on the path

from quartermaster.fleet.journal import Journal
from quartermaster.playbooks import patch_run

if __name__ == "__main__":
    cluster = PatchCluster(Path(sys.argv[1]))
    run = Journal.open(cluster.workspace.database).start("patch", stack="dev", subject="web")
    for event in run.record(patch_run.run(cluster.plan(), run.id, cluster.tools())):
        sys.stdout.write(f"{event.kind} {event.step} {event.host}\n")
        sys.stdout.flush()
    run.finish("done")
