"""`ops configure` in a process of its own, to be killed; prints each step.

``python -m tests.hosts.configure_driver FLEET_FILE``
"""

from __future__ import annotations

import sys
from pathlib import Path

from quartermaster.playbooks import configure
from quartermaster.playbooks.bundle import build
from tests.hosts.patch_cluster import BUCKET, PatchCluster

if __name__ == "__main__":
    cluster = PatchCluster(Path(sys.argv[1]))
    plan = configure.plan(cluster.inventory(), build(cluster.fleet), bucket=BUCKET)
    for event in configure.apply(plan, cache=cluster.workspace.folder("cache"), s3=cluster.cloud.client("s3")):
        sys.stdout.write(f"{event.kind} {event.step}\n")
        sys.stdout.flush()
