"""What ``ops`` and tests ask of the local cloud: start, stop, look, and act on its hosts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import LocalCloud, read_local_cloud
from quartermaster.fleet.errors import InputError, MissingPart, OpsError
from quartermaster.fleet.hosts import Requests
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local.ledger import Ledger, sweep
from quartermaster.infra.setup import cache

__all__ = [
    "SshTarget",
    "add_package",
    "down",
    "ensure_running",
    "environment",
    "execute",
    "fail_zone",
    "heal_zone",
    "host_requests",
    "kill_database",
    "kill_host",
    "requests",
    "reset",
    "running",
    "ssh_target",
    "status",
]

_START_SECONDS = 90.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SshTarget:
    """How to reach a host by SSH."""

    address: str
    user: str
    key: Path
    port: int = 22


def running(workspace: Workspace) -> LocalCloud | None:
    """The local cloud when its very process lives, else None. Read-only."""
    from quartermaster.fleet.processes import process_alive

    local = read_local_cloud(workspace)
    return local if local is not None and process_alive(local.pid, local.pid_started) else None


def ensure_running(workspace: Workspace, fleet_name: str, timing: str = "real") -> LocalCloud:
    """The local cloud, started when there is none.

    Raises MissingPart when an earlier one died (what it held in memory is lost), OpsError when it does not start.
    """
    with _locked(workspace):
        local = running(workspace)
        if local is not None:
            return local
        if _died(workspace):
            raise MissingPart(
                f"the local cloud of fleet {fleet_name!r} is gone (its process died or the machine restarted), "
                "and with it every resource it held",
                remedy="ops local reset",
            )
        return _start(workspace, fleet_name, timing)


def down(workspace: Workspace) -> list[str]:
    """Stop the local cloud and remove all it made, also what a killed run left. Returns a line for each thing.

    Idempotent.
    """
    with _locked(workspace):
        home = workspace.folder("local")
        local = running(workspace)
        done: list[str] = []
        if local is not None:
            os.kill(local.pid, signal.SIGTERM)
            if not _wait_gone(local, _STOP_SECONDS):
                os.kill(local.pid, signal.SIGKILL)
                _wait_gone(local, 10)
            done.append(f"local cloud {local.instance} (pid {local.pid})")
        ledger = Ledger(home / "ledger.jsonl")
        done += sweep(ledger.entries())
        (home / "daemon.json").unlink(missing_ok=True)
        ledger.forget()
        return done


def reset(workspace: Workspace) -> list[str]:
    """``down``, then forget packages, logs and known hosts too; SSH keys stay. Pulumi state is the caller's."""
    done = down(workspace)
    home = workspace.folder("local")
    for entry in home.iterdir():
        if entry.name in ("ssh", "lock"):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return done


def status(workspace: Workspace) -> dict[str, Any]:
    """What runs: ``state`` (running, dead, stopped) and, when running, hosts, balancers, databases. Read-only."""
    local = running(workspace)
    if local is None:
        state = "dead" if _died(workspace) else "stopped"
        return {"state": state, "hosts": [], "balancers": [], "databases": []}
    return {"state": "running", "endpoint": local.endpoint, **_ask(workspace, "status")}


def add_package(workspace: Workspace, deb: Path) -> Mapping[str, Any]:
    """Offer a Debian package to all hosts' package manager: {name, version, architecture}."""
    if not deb.is_file():
        raise InputError(f"no package file {deb}", remedy="ops local packages add FILE.deb")
    answer: Mapping[str, Any] = _ask(workspace, "packages/add", {"path": str(deb.resolve())})
    return answer


def fail_zone(workspace: Workspace, zone: str) -> None:
    """Cut a zone off: nothing in it answers any more."""
    _ask(workspace, "zones/fail", {"zone": zone})


def heal_zone(workspace: Workspace, zone: str) -> None:
    """Reconnect a zone."""
    _ask(workspace, "zones/heal", {"zone": zone})


def kill_host(workspace: Workspace, host_id: str) -> None:
    """Cut a host's power: its processes die and its address falls silent; the API is told nothing."""
    _ask(workspace, "hosts/kill", {"host": host_id})


def kill_database(workspace: Workspace, instance: str) -> None:
    """Cut the power of a database's primary, by RDS's name: the API is told nothing. Done twice is done once."""
    _ask(workspace, "database/kill", {"database": instance})


def requests(workspace: Workspace, balancer_name: str) -> Requests:
    """Cumulative: requests that the balancer finished, and those that ended in 5xx or were cut by the server."""
    return Requests(**_ask(workspace, "requests", {"balancer": balancer_name}))


def host_requests(workspace: Workspace, balancer_name: str) -> dict[str, int]:
    """Host → requests that it finished behind the balancer, cumulative since it is there."""
    found: dict[str, int] = _ask(workspace, "requests/hosts", {"balancer": balancer_name})
    return found


def execute(workspace: Workspace, host_id: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as root inside a host. Raises InputError for an unknown host. Needs root here."""
    answer = _ask(workspace, "hosts/enter", {"host": host_id})
    return subprocess.run([*answer["prefix"], *argv], capture_output=True, text=True, check=False)


def ssh_target(workspace: Workspace, host_id: str) -> SshTarget:
    """Address, user and key file of a host. Raises InputError for an unknown host."""
    answer = _ask(workspace, "hosts/enter", {"host": host_id})
    return SshTarget(answer["address"], "admin", workspace.folder("local") / "ssh" / "id_ed25519")


def environment(workspace: Workspace, region: str) -> dict[str, str]:
    """Variables that point any AWS client at the local cloud. Raises MissingPart when it does not run."""
    local = _local(workspace)
    return {
        "AWS_ENDPOINT_URL": local.endpoint,
        "AWS_ACCESS_KEY_ID": local.access_key,
        "AWS_SECRET_ACCESS_KEY": local.secret_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def _local(workspace: Workspace) -> LocalCloud:
    local = running(workspace)
    if local is None:
        raise MissingPart("the local cloud is not running", remedy="ops local up")
    return local


def _ask(workspace: Workspace, route: str, body: Mapping[str, Any] | None = None) -> Any:
    local = _local(workspace)
    request = urllib.request.Request(
        f"{local.endpoint}/_ops/{route}",
        data=json.dumps(body or {}).encode(),
        headers={"X-Ops-Token": local.secret_key, "Content-Type": "application/json"},
    )
    # No proxy from the environment: this is loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as exc:
        with exc:
            problem = json.loads(exc.read() or b"{}").get("error", str(exc))
        if exc.code in (400, 404):
            raise InputError(f"the local cloud refuses {route}: {problem}", remedy="ops local status") from exc
        raise OpsError(f"the local cloud failed at {route}: {problem}", remedy="see .ops/local/daemon.log") from exc
    except (urllib.error.URLError, TimeoutError) as exc:
        raise OpsError(f"the local cloud does not answer at {local.endpoint}: {exc}", remedy="ops local reset") from exc


def _start(workspace: Workspace, fleet_name: str, timing: str) -> LocalCloud:
    home = workspace.folder("local")
    words = ["--home", str(home), "--fleet", fleet_name, "--timing", timing]
    with (home / "daemon.log").open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "quartermaster.infra.local.daemon", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,  # it outlives the ops that started it, and its terminal
            env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))},
        )
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        local = running(workspace)
        if local is not None:
            process.returncode = 0  # not ours to wait for any more
            return local
        if process.poll() is not None:
            break
        time.sleep(0.05)
    else:
        process.kill()
        process.wait()
    said = (home / "daemon.log").read_bytes()[begin:].decode(errors="replace").splitlines()[-15:]
    ledger = Ledger(home / "ledger.jsonl")
    sweep(ledger.entries())
    ledger.forget()
    raise OpsError("the local cloud did not start:\n" + "\n".join(said), remedy="see .ops/local/daemon.log")


def _wait_gone(local: LocalCloud, seconds: float) -> bool:
    """Whether the very process ended in time; its daemon.json goes before it does."""
    from quartermaster.fleet.processes import process_alive

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not process_alive(local.pid, local.pid_started):
            return True
        time.sleep(0.05)
    return False


def _died(workspace: Workspace) -> bool:
    """Whether there is something left of a local cloud that does not run."""
    home = workspace.folder("local")
    return (home / "daemon.json").exists() or bool(Ledger(home / "ledger.jsonl").entries())


def _locked(workspace: Workspace) -> AbstractContextManager[None]:
    """One hand on starting and stopping: two ops that start at once make one cloud."""
    return cache.locked(workspace.folder("local") / "lock")
