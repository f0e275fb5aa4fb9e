"""A rehearsal: the same commands that would touch the account, on a small local copy of the fleet, under load."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from quartermaster.cli.output import say
from quartermaster.cli.rehearsal_fleet import STACK, scaled
from quartermaster.fleet.deb import build_deb
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.hosts import Requests
from quartermaster.fleet.load import Load
from quartermaster.fleet.schema.tree import read_tree

__all__ = ["FAULTS", "Rehearsal", "Step", "called", "free_network", "junit"]

FAULTS: Mapping[str, str] = {
    "bad-package": "the update breaks while it is installed",
    "host-lost": "a serving host loses its power in the middle",
}
_PACKAGE = "ops-rehearsal"
_RATE = 60
"""Requests per second, enough to tell how many fail."""
_LOSS_AFTER_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one part of the rehearsal came to."""

    name: str
    seconds: float
    passed: bool
    outcome: str
    """In a person's words: what happened to requests, capacity and time."""
    requests: Mapping[str, int] | None = None
    """sent and failed, as a user saw them; None where there was no load."""
    serving_least: int | None = None
    """The fewest hosts that served at any moment."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Rehearsal:
    """The copy of one fleet and the commands that are rehearsed on it. A context manager: nothing is left behind."""

    def __init__(self, fleet_file: Path, of: str, folder: Path) -> None:
        self._source, self._of, self._folder = fleet_file.resolve(), of, folder
        self.fleet_file = folder / "fleet.yaml"
        self.url = ""

    def __enter__(self) -> Rehearsal:
        if self.fleet_file.exists():  # one that was cut short
            self.ops("local", "down", "--yes")
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True)
        tree = read_tree(self._source.read_text(encoding="utf-8")).value
        copy = scaled(tree, self._of, free_network(), self._source.parent)
        # JSON is YAML.
        self.fleet_file.write_text(json.dumps(copy, indent=2, default=str) + "\n", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.ops("local", "down", "--yes")

    def ops(self, *arguments: str) -> dict[str, Any]:
        """Run ``ops … --json`` on the copy and return its document. Raises OpsError with what it said."""
        say(f"  $ ops {' '.join(arguments)}")
        done = called(self.fleet_file, *arguments)
        document: dict[str, Any] = json.loads(done.stdout or "{}")
        if done.returncode and "error" in document:
            raise OpsError(document["error"], remedy=document["remedy"])
        if done.returncode and not {"hosts", "rto_seconds"} & document.keys():
            raise OpsError(f"ops {' '.join(arguments)} exited with {done.returncode}")
        return document  # what failed half-way says how far it came

    def provision(self) -> Step:
        """Make the copy, and look again: a second look finds nothing to change."""

        def work() -> tuple[bool, str]:
            made = self.ops("provision", "up", "--yes")
            again = self.ops("provision", "preview")["changes"]
            moved = sum(count for kind, count in again.items() if kind != "same")
            if self._of_cluster():
                self.url = self.ops("provision", "outputs")["clusters"][self._of]["url"]
            return moved == 0, f"{made['changes']['create']} resources made; looking again finds {moved} changes"

        return _step("provision", work)

    def patch(self, fault: str = "") -> Step:
        """Patch every host of the cluster under load, as ``ops patch run`` would."""
        hosts = [host["id"] for host in self.ops("provision", "outputs")["clusters"][self._of]["hosts"]]
        self._offer("1.0")
        for host in hosts:
            for command in ("apt-get -q update", f"apt-get -qy install {_PACKAGE}"):
                self.ops("local", "exec", host, "--", "sh", "-c", command)
        self._offer("1.1", broken=fault == "bad-package")
        return self._loaded(f"patch {self._of}", fault, "patch", "run", self._of, "--yes")

    def drill(self, kind: str, fault: str = "") -> Step:
        """Run the drill under load, as ``ops drill run`` would."""
        return self._loaded(f"drill {kind} {self._of}", fault, "drill", "run", kind, self._of, "--now", "--yes")

    def _loaded(self, name: str, fault: str, *arguments: str) -> Step:
        if not self.url:
            return _step(name, lambda: _told(self.ops(*arguments)))
        with Load(self.url, rate_per_second=_RATE, connections=8) as load:
            least = _Least(self)
            lost: list[Step] = []
            loss = threading.Timer(_LOSS_AFTER_SECONDS, lambda: lost.append(_step("host-lost", self._lose_one)))
            with least:
                if fault == "host-lost":
                    loss.start()
                step = _step(name, lambda: _told(self.ops(*arguments)))
                if fault == "host-lost":
                    loss.join()
        for one in lost:
            if not one.passed:  # without its fault it has shown nothing
                step = replace(step, passed=False, outcome=f"no host was lost: {one.outcome}; {step.outcome}")
        return self._weighed(step, fault, load.counts(), least.found)

    def _weighed(self, step: Step, fault: str, counts: Requests, least: int | None) -> Step:
        """The step with what users saw. With a fault the command may fail; users may not notice a bad package."""
        lossy = fault == "host-lost" or step.name.startswith("drill")
        unnoticed = counts.failed == 0 or lossy
        passed = unnoticed and (step.passed or fault == "bad-package")
        seen = f"{counts.failed} of {counts.sent} requests failed; never fewer than {least} hosts served"
        said = f"with {fault} ({FAULTS[fault]}): " if fault else ""
        requests = {"sent": counts.sent, "failed": counts.failed}
        return Step(step.name, step.seconds, passed, f"{said}{step.outcome}; {seen}", requests, least)

    def _offer(self, version: str, *, broken: bool = False) -> None:
        files = {"/usr/share/doc/ops-rehearsal/version": f"{version}\n"}
        scripts = {"postinst": "#!/bin/sh\necho 'broken on purpose' >&2\nexit 1\n"} if broken else None
        deb = build_deb(_PACKAGE, version, files, self._folder / "packages", scripts=scripts)
        self.ops("local", "packages", "add", str(deb))

    def _lose_one(self) -> tuple[bool, str]:
        host = str(self.ops("local", "status")["hosts"][-1]["id"])
        self.ops("local", "fail", "host", host)
        return True, host

    def _of_cluster(self) -> bool:
        declared = json.loads(self.fleet_file.read_text(encoding="utf-8"))
        return bool((declared.get("clusters") or {}).get(self._of, {}).get("balancer") is not None)


class _Least:
    """Looks every second how many hosts serve, while the block runs."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self._over = threading.Event()
        self.found: int | None = None

    def __enter__(self) -> None:
        from quartermaster.cli.options import Options
        from quartermaster.cli.session import Session

        ops = Session(Options(fleet=self._rehearsal.fleet_file, stack=STACK))
        hosts, cluster = ops.hosts, self._rehearsal._of
        self._thread = threading.Thread(target=self._look, args=(hosts, cluster), daemon=True, name="least")
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self, hosts: Any, cluster: str) -> None:
        while not self._over.wait(1.0):
            serving = sum(host.serving for host in hosts.group(cluster).hosts)
            self.found = serving if self.found is None else min(self.found, serving)


def called(fleet_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``ops … --json`` on that fleet as a user would, in a process of its own; what it printed is kept."""
    command = [sys.executable, "-m", "quartermaster.cli", "--json", "--fleet", str(fleet_file), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


def free_network() -> str:
    """A /16 below 10.0.0.0 whose neighbour is free, too: no route of this machine overlaps. Raises OpsError."""
    from quartermaster.infra.local.network import overlapping, routes

    taken = routes()
    for second in range(20, 250, 2):
        if overlapping(f"10.{second}.0.0/15", taken) is None:
            return f"10.{second}.0.0/16"
    raise OpsError("no network 10.N.0.0/16 is free on this machine", remedy="ip route shows what is in the way")


def junit(name: str, steps: list[Step]) -> str:
    """The steps as JUnit XML, for CI."""
    failed = [step for step in steps if not step.passed]
    suite = ET.Element(
        "testsuite", name=name, tests=str(len(steps)), failures=str(len(failed)),
        time=f"{sum(step.seconds for step in steps):.1f}",
    )  # fmt: skip
    for step in steps:
        case = ET.SubElement(suite, "testcase", classname=name, name=step.name, time=f"{step.seconds:.1f}")
        if not step.passed:
            ET.SubElement(case, "failure", message=step.outcome)
        ET.SubElement(case, "system-out").text = step.outcome
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _step(name: str, work: Callable[[], tuple[bool, str]]) -> Step:
    began = time.monotonic()
    try:
        passed, outcome = work()
    except InputError:
        raise
    except OpsError as error:
        passed, outcome = False, error.message
    return Step(name, round(time.monotonic() - began, 1), passed, outcome)


def _told(document: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the command did all it was asked, and what it came to."""
    if "rto_seconds" in document:
        rto = document["rto_seconds"]
        met = document["objective_met"]
        said = "not recovered" if rto is None else f"recovered in {rto:.0f} s"
        said += "" if met is None else ", objective met" if met else ", objective missed"
        return bool(document["restored"]) and met is not False, said
    states = [host["state"] for host in document["hosts"]]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return document["state"] == "done", f"{document['state']}: {counted}"
