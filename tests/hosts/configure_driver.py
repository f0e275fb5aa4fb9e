"""`ops configure` in a process of its own, to be killed: ``python configure_driver.py FLEET_FILE`` prints each step."""

from __future__ import annotations

import sys
from pathlib import Path

from patch_cluster import BUCKET, PatchCluster  # beside this file: the script's own folder is on the path

from quartermaster.playbooks import configure
from quartermaster.playbooks.bundle import build

if __name__ == "__main__":
    cluster = PatchCluster(Path(sys.argv[1]))
    plan = configure.plan(cluster.inventory(), build(cluster.fleet), bucket=BUCKET)
    for event in configure.apply(plan, cache=cluster.workspace.folder("cache"), s3=cluster.cloud.client("s3")):
        sys.stdout.write(f"{event.kind} {event.step}\n")
        sys.stdout.flush()
