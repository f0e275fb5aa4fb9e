"""Fleets and clouds for the tests of deployments, and a deployment that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faulty import PATH

from quartermaster.fleet.aws import Cloud, connect, read_local_cloud
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.deploy import Deployment

__all__ = ["FLEET", "Stand", "run", "stand"]

FLEET = """
fleet: shop
timezone: Europe/Dublin
region: eu-west-1
recovery_region: eu-central-1
zones: 3
stacks: {dev: {target: local}}
network: {cidr: 10.20.0.0/16}
clusters:
  web:
    size: {min: 3, max: 24}
    schedule: [{cron: "0 8 * * 1-5", min: 4}, {at: 2099-01-01T08:00:00Z, min: 6}]
    uses: [orders, sessions]
    balancer: {algorithm: least_outstanding_requests, drain_seconds: 5}
databases:
  orders: {engine: postgres, storage_gib: 200, replicas: 1}
  sessions: {engine: dynamodb, key: session_id}
backups:
  lock: {mode: governance, min_days: 7}
  rules: [{name: daily, at: "03:00", keep_days: 35, copy_to: recovery_region}, {name: monthly, on: 1, keep_days: 365}]
"""
"""The fleet of the design."""


@dataclass
class Stand:
    """A fleet file with its cloud."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "fleet.yaml")

    @property
    def fleet(self) -> Fleet:
        return load_fleet(self.folder / "fleet.yaml")

    @property
    def cloud(self) -> Cloud:
        return connect(self.fleet, "dev", self.workspace)

    def write(self, text: str) -> None:
        """Another fleet.yaml in place of the one that is there."""
        (self.folder / "fleet.yaml").write_text(text, encoding="utf-8")

    def deployment(self, bundle: Path | None = None) -> Deployment:
        """A deployment as a fresh `ops` would have it."""
        if bundle is None:
            bundle = self.folder / "bundle.tar.gz"
            bundle.write_bytes(b"not a real bundle")
        return Deployment(self.fleet, "dev", self.workspace, self.cloud, bundle=bundle)

    def killed(self, act: str, after: int, kind: str = "finished") -> int:
        """Run `up` or `destroy` in another process and kill -9 it when that many resources are begun or finished."""
        with self.elsewhere(act, after, kind) as (process, done):
            os.kill(process.pid, signal.SIGKILL)
        return done

    @contextmanager
    def elsewhere(self, act: str, after: int, kind: str = "finished") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """`up` or `destroy` in another process, from when that many resources are done; waits for its end."""
        command = [sys.executable, __file__, str(self.folder), act]
        # Written at each step, as for people: what an engine has made that is killed.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PULUMI_SKIP_CHECKPOINTS": "false"}
        )
        assert process.stdout is not None
        done = 0
        for line in process.stdout:
            done += json.loads(line)["kind"] == kind
            if done >= after:
                break
        try:
            yield process, done
        finally:
            process.stdout.read()
            process.wait()
            process.stdout.close()

    def fail(self, **faults: object) -> None:
        """Let the cloud's API fail so (see faulty.Faults) until it is told otherwise."""
        local = read_local_cloud(self.workspace)
        assert local is not None
        body = json.dumps(faults).encode()
        urllib.request.urlopen(urllib.request.Request(local.endpoint + PATH, body, method="POST")).close()


@contextmanager
def stand(folder: Path, text: str = FLEET) -> Iterator[Stand]:
    """A cloud of its own for one test, gone afterwards."""
    home = folder / ".ops" / "local"
    home.mkdir(parents=True)
    script = Path(__file__).with_name("moto_cloud.py")
    process = subprocess.Popen([sys.executable, str(script), str(home)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    try:
        until = time.monotonic() + 180
        while not (home / "daemon.json").exists():
            assert process.poll() is None, "the test cloud did not start"
            assert time.monotonic() < until, "the test cloud did not start in time"
            time.sleep(0.05)
        made = Stand(folder, process)
        made.write(text)
        yield made
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(timeout=120)


def run(deployment: Deployment, act: str) -> list[object]:
    """Carry an operation out to its end; its events."""
    return list(getattr(deployment, act)())


def _main() -> None:
    made = Stand(Path(sys.argv[1]), None)  # type: ignore[arg-type]
    for event in getattr(made.deployment(), sys.argv[2])():
        sys.stdout.write(json.dumps({"kind": event.kind, "step": event.step}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
