"""How much CPU time `ops provision up` takes beside the Pulumi engine, and how that grows up to 1,200 resources.

Ours is what program, provider, policy and cost take, by CPU clocks around each, without AWS calls. The engine's
is that of the `pulumi` processes. Between the two stand Pulumi's Python SDK and gRPC, the rest of this process, which
is told and not judged. The AWS API is moto in a process of its own and counts for none.

    .venv/bin/python bench/provision.py [CLUSTERS …]
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from quartermaster.infra import deploy, program
from quartermaster.infra.local.provider import engine as provider
from quartermaster.infra.local.provider import server
from quartermaster.infra.local.provider.engine import TableProvider
from quartermaster.infra.setup import engine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "local"))
from stacks import stand

CLUSTERS = (3, 12, 40)
MOST_SHARE = 0.25
MOST_GROWTH = 1.3
"""CPU time for each resource at the largest size to that at the smallest: linear, with room for noise."""


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of a preview and an `up`."""

    resources: int
    program: float
    provider: float
    policy: float
    cost: float
    engine: float
    sdk: float
    """The rest of this process."""
    calls: float
    """AWS calls, left out of all."""

    @property
    def ours(self) -> float:
        return self.program + self.provider + self.policy + self.cost

    @property
    def share(self) -> float:
        """Ours to the engine's."""
        return self.ours / self.engine

    @property
    def milliseconds(self) -> float:
        """Ours, of one resource."""
        return 1000 * self.ours / self.resources


_nested = threading.local()


class Clock:
    """CPU seconds inside the functions that it is put around, less what other clocks count inside them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()

    def counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted."""

        def timed(*args: Any, **more: Any) -> Any:
            outer, _nested.seconds = getattr(_nested, "seconds", 0.0), 0.0
            begun = time.thread_time()
            try:
                return real(*args, **more)
            finally:
                took = time.thread_time() - begun
                with self._lock:
                    self.seconds += took - _nested.seconds
                _nested.seconds = outer + took

        return timed


def clocks_around(calls: Clock, ours: Mapping[str, Clock], patch: pytest.MonkeyPatch) -> None:
    """Put a clock around everything that is ours or calls AWS."""
    carried_out = TableProvider._run

    async def run(self: TableProvider, act: Callable[[], Any]) -> Any:
        return await carried_out(self, ours["provider"].counted(act))

    patch.setattr(TableProvider, "_run", run)
    for clock, home, names in (
        (ours["program"], program, "declare"),
        (ours["provider"], provider, "plain_map wrapped_map refusals compare"),
        (ours["provider"], server, "plain_map"),
        (ours["policy"], deploy, "findings"),
        (ours["cost"], deploy, "cost_per_month"),
        (calls, BaseClient, "_make_api_call"),
        (calls, boto3.Session, "client"),
    ):
        for name in names.split():
            patch.setattr(home, name, clock.counted(getattr(home, name)))


def fleet(clusters: int) -> str:
    """A fleet of that many clusters, each with balancer and schedule; one network holds no more than 40."""
    schedule = [{"at": f"2099-01-0{day}T08:00:00Z", "min": 3} for day in range(1, 9)]
    cluster = {"size": {"min": 2, "max": 4}, "schedule": schedule, "balancer": {}}
    named = {f"c{number}": cluster for number in range(clusters)}
    return json.dumps({"fleet": "bench", "zones": 2, "network": {"cidr": "10.60.0.0/16"}, "clusters": named})


def measure(clusters: int) -> Measured:
    """Make the fleet once, on a cloud of its own."""
    calls, ours = Clock(), {name: Clock() for name in ("program", "provider", "policy", "cost")}
    with tempfile.TemporaryDirectory() as folder, stand(Path(folder), fleet(clusters)) as made:
        deployment = made.deployment()
        with pytest.MonkeyPatch.context() as patch:
            clocks_around(calls, ours, patch)
            children, begun = _children(), time.process_time()
            for _ in deployment.up():
                pass
            whole, of_engine = time.process_time() - begun, _children() - children
    parts = {name: clock.seconds for name, clock in ours.items()}
    return Measured(
        resources=deployment.result.changes["create"],
        **parts,
        engine=of_engine,
        sdk=whole - sum(parts.values()) - calls.seconds,
        calls=calls.seconds,
    )


def _children() -> float:
    """CPU seconds of the processes that we have waited for: the engine's. The cloud's still runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure each size, print, and exit 1 where a bar is missed."""
    sizes = [int(word) for word in sys.argv[1:]] or CLUSTERS
    found = engine.find()
    assert found is not None, "the Pulumi engine is not installed: ops setup"
    said = ", ".join(f"{name} {version(name)}" for name in ("pulumi", "pulumi-aws", "boto3", "moto", "grpcio"))
    print(f"engine {engine.version_of(found)}, Python {sys.version.split()[0]}, {said}")
    columns = ("ours", "engine", "program", "provider", "policy", "cost", "sdk", "calls")
    print("CPU seconds", *(f"{name:>9}" for name in columns), "    share  ms/resource")
    measure(1)  # what the first use of a library costs (pulumi_aws: 2 s) is no matter of size
    rows = []
    for size in sizes:
        row = measure(size)
        rows.append(row)
        values = (f"{getattr(row, name):9.2f}" for name in columns)
        print(f"{row.resources:11}", *values, f"{row.share:9.1%}  {row.milliseconds:11.2f}", flush=True)
    growth = rows[-1].milliseconds / rows[0].milliseconds
    print(f"share at {rows[-1].resources}: {rows[-1].share:.0%} (bar: {MOST_SHARE:.0%})")
    print(f"ours for each resource, largest to smallest: {growth:.2f} (bar: {MOST_GROWTH})")
    return int(rows[-1].share > MOST_SHARE or growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
