"""What the controller of a patch cycle takes for itself by the number of hosts: processor time, memory, events.

    python bench/patch_controller.py [HOSTS ...]

The hosts only wait, as long as real ones take (``SECONDS``, from bench/patching.py): what is left is the controller,
with its plan, threads, journal on disk and guards. Each size runs in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from dataclasses import replace

from quartermaster.fleet.hosts import Group
from quartermaster.fleet.journal import Journal
from quartermaster.playbooks import patch, patch_run
from quartermaster.playbooks.machine import Facts, Saved
from tests.playbooks import fakes

SIZES = (15, 30, 60)
SECONDS = {"facts": 0.1, "save": 0.4, "upgrade": 1.0, "converge": 0.1, "health": 0.05, "move": 0.05, "settle": 1.5}


class World(fakes.FakeWorld):
    """A group whose hosts take a while to be drained, and to be healthy again."""

    def __init__(self, now: Group) -> None:
        super().__init__(now)
        self._lock = threading.RLock()
        self._moved: dict[str, float] = {}

    def group(self) -> Group:
        with self._lock:
            late = time.monotonic() - SECONDS["settle"]
            found = super().group()
            unsettled = {"Standby": "EnteringStandby", "InService": "InService"}
            hosts = tuple(
                replace(host, lifecycle=unsettled[host.lifecycle], health="initial")
                if self._moved.get(host.id, 0.0) > late
                else host
                for host in found.hosts
            )
            return replace(found, hosts=hosts)

    def _move(self, host_id: str, lifecycle: str, health: str, more: int) -> None:
        with self._lock:
            time.sleep(SECONDS["move"])
            super()._move(host_id, lifecycle, health, more)
            self._moved[host_id] = time.monotonic()


class Machine(fakes.FakeMachine):
    """A host that takes as long as a real one."""

    def facts(self, names: Iterable[str]) -> Facts:
        return self._late("facts", super().facts(names))

    def save(self, run: str, pins: Mapping[str, str]) -> Saved:
        return self._late("save", super().save(run, pins))

    def upgrade(self, run: str, pins: Mapping[str, str]) -> Mapping[str, str]:
        return self._late("upgrade", super().upgrade(run, pins))

    def converge(self, run: str) -> Mapping[str, Any]:
        return self._late("converge", super().converge(run))

    def health(self, port: int, path: str, seconds: float) -> str:
        return self._late("health", super().health(port, path, seconds))

    def _late(self, what: str, answer: Any) -> Any:
        time.sleep(SECONDS[what])
        return answer


def cycle(count: int) -> dict[str, float]:
    """One cycle over that many hosts in this process."""
    world = World(replace(fakes.group(count, floor=1), max=count + 3))
    machines = fakes.FakeMachines({host.id: Machine(host.id) for host in world.now.hosts})
    plan = patch.plan(world.now, fakes.fleet(wave="25%"), fakes.surveys(world.now), datetime.now(UTC), drain_seconds=0)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "ops.db")
        run = journal.start("patch", stack="dev", subject="web")
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        tools = patch_run.Tools(world, machines, fakes.FakeCounter())
        events = sum(1 for _ in run.record(patch_run.run(plan, run.id, tools)))
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    assert all(machine.version == "2.0" and machine.upgrades == 1 for machine in machines.values())
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "waves": len(plan.waves),
        "seconds": seconds,
        "processor": processor,
        "mib": after.ru_maxrss / 1024,
        "grown": (after.ru_maxrss - before.ru_maxrss) / 1024,
        "events": events,
    }


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(cycle(int(sys.argv[2]))))
        return
    print("patch controller: hosts that only wait, a process each size")
    for count in [int(word) for word in sys.argv[1:]] or SIZES:
        command = [sys.executable, __file__, "--one", str(count)]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        each, grown = 1000 * told["processor"] / count, told["grown"]
        print(
            f"  {count:4d} hosts in {told['waves']:.0f} waves  {told['seconds']:6.1f} s"
            f"   processor {told['processor']:.2f} s ({each:.0f} ms a host)"
            f"   memory {told['mib']:.0f} MiB ({grown:.1f} of them in the cycle)   {told['events']:.0f} events",
            flush=True,
        )


if __name__ == "__main__":
    main()
