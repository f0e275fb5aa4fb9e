"""The steps of the demo, each the commands a user would type."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from quartermaster.cli.output import say
from quartermaster.cli.rehearsal import called, free_network
from quartermaster.fleet.deb import build_deb
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Requests
from quartermaster.fleet.load import Load

__all__ = ["LAST", "STEPS", "Demo", "Step"]

_NETWORK = "10.20.0.0/16"
"""The demo's network as its fleet.yaml has it."""
PATCH_RATE, DRILL_RATE = 110, 80
"""Requests per second while patching and while a zone is lost."""


class Demo:
    """One run of the demo: its folder and what it learned so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fleet_file = folder / "fleet.yaml"
        self.summary: dict[str, Any] = {}
        self.extras: dict[str, dict[str, object]] = {}
        """Keys added to a step's entry in demo.json."""
        self.url = ""
        self.hosts = 0

    def ops(self, *arguments: str, quiet: bool = False) -> dict[str, Any]:
        """Run ``ops … --json`` as a user would and return its document. Raises OpsError when it fails."""
        if not quiet:
            say(f"  $ ops {' '.join(arguments)}")
        done = called(self.fleet_file, *arguments)
        if done.returncode:
            raise OpsError(
                f"`ops {' '.join(arguments)}` exited with {done.returncode}: {done.stdout.strip()[:500]}",
                remedy=f"look with: ops --fleet {self.fleet_file} history",
            )
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def serving(self) -> list[dict[str, Any]]:
        """The web hosts as outputs show them."""
        hosts: list[dict[str, Any]] = self.ops("provision", "outputs", quiet=True)["clusters"]["web"]["hosts"]
        return hosts

    def under_load(self, rate: int, *arguments: str) -> tuple[dict[str, Any], Requests]:
        """Run a command while the balancer is under load; the load's counts go beside it."""
        say(f"  {rate} requests a second through {self.url}")
        with Load(self.url, rate_per_second=rate, connections=8) as load:
            document = self.ops(*arguments)
        return document, load.counts()

    def offer(self, version: str) -> None:
        """Offer the shop's own package in that version: what the web hosts serve, and what the patch brings."""
        page = f"<!doctype html><title>shop</title><h1>shop {version}</h1>\n"
        deb = build_deb("demo-shop", version, {"/srv/www/page/index.html": page}, self.folder / "packages")
        self.ops("local", "packages", "add", str(deb))

    def clean(self) -> None:
        """Remove everything that runs, however far the demo came."""
        if self.fleet_file.exists():
            say("\nremoving what the demo started")
            self.ops("local", "down", "--yes", quiet=True)


@dataclass(frozen=True)
class Step:
    """A step of the demo: ``work`` returns the outcome in a newcomer's words."""

    name: str
    title: str
    work: Callable[[Demo], str] = field(repr=False)


def _prepare(demo: Demo) -> str:
    if demo.fleet_file.exists():
        demo.ops("local", "down", "--yes", quiet=True)
        shutil.rmtree(demo.folder)
    demo.folder.mkdir(parents=True)
    with as_file(files("quartermaster.examples") / "demo" / "fleet.yaml") as source:
        text = source.read_text(encoding="utf-8")
    demo.fleet_file.write_text(text.replace(_NETWORK, free_network()), encoding="utf-8")
    demo.ops("validate")
    return f"{demo.fleet_file} is valid"


def _provision(demo: Demo) -> str:
    demo.ops("local", "up")
    demo.offer("1.0")
    made = demo.ops("provision", "up", "--yes")
    again = demo.ops("provision", "preview")
    outputs = demo.ops("provision", "outputs", quiet=True)
    demo.url = outputs["clusters"]["web"]["url"]
    hosts = outputs["clusters"]["web"]["hosts"]
    demo.hosts = len(hosts)
    zones = {host["zone"] for host in hosts}
    moved = sum(count for kind, count in again["changes"].items() if kind != "same")
    demo.summary["cost_per_month"] = made["cost_per_month"]
    return (
        f"{made['changes']['create']} resources made; {len(hosts)} hosts in {len(zones)} zones serve at {demo.url}; "
        f"looking again finds {moved} changes"
    )


def _configure(demo: Demo) -> str:
    done = demo.ops("configure")
    changed = sum(host["changed"] for host in done["hosts"])
    return f"{len(done['hosts'])} hosts had made themselves complete at boot; converging them again changes {changed}"


def _patch(demo: Demo) -> str:
    demo.offer("1.1")
    done, load = demo.under_load(PATCH_RATE, "patch", "run", "web", "--yes")
    patched = [host for host in done["hosts"] if host["state"] == "patched"]
    demo.extras["patch"] = {"requests": {"sent": load.sent, "failed": load.failed}, "hosts": done["hosts"]}
    if load.failed:
        raise OpsError(
            f"{load.failed} of {load.sent} requests failed during the patch",
            remedy=f"look with: ops --fleet {demo.fleet_file} history",
        )
    return f"{len(patched)} hosts patched one zone at a time; {load.sent} requests sent, {load.failed} failed"


def _plan(demo: Demo) -> str:
    with as_file(files("quartermaster.examples") / "metrics" / "web_requests_hourly.parquet") as sample:
        demo.ops("metrics", "import", str(sample), "--as", "web", "--replay")
    demo.ops("forecast", "run", "--horizon", "48")
    plan = demo.ops("capacity", "plan")["clusters"]["web"]
    needed = [point["instances"] for point in plan["requirement"]]
    demo.summary["plan"] = {
        "hours": len(needed),
        "instances_least": min(needed),
        "instances_most": max(needed),
        "steps": len(plan["schedule"]),
        "cost_per_month": plan["cost_per_month"],
        "runway": plan["runway"],
    }
    return f"the next {len(needed)} hours need {min(needed)} to {max(needed)} hosts, one zone lost included"


def _apply(demo: Demo) -> str:
    before = demo.hosts
    applied = demo.ops("capacity", "apply", "--yes")
    demo.ops("provision", "up", "--yes")
    after = demo.serving()
    demo.summary["hosts"] = after
    floors = sum(len(change["schedule"]) for change in applied["changes"])
    now = f"became {len(after)}" if len(after) != before else "stay, as many as this hour needs"
    return f"{floors} floors written into fleet.yaml; {before} hosts {now}"


def _backup(demo: Demo) -> str:
    demo.ops("backup", "run", "orders")
    points = demo.ops("backup", "list", "orders")["databases"]["orders"]
    done = demo.ops("drill", "run", "restore", "orders", "--now", "--yes")
    demo.extras["backup"] = {"rto_seconds": done["rto_seconds"], "rpo_seconds": done["rpo_seconds"]}
    return (
        f"{len(points)} recovery points of orders; restored beside it and checked in {done['rto_seconds']:.0f} s, "
        f"{done['rpo_seconds']:.0f} s of data would have been lost"
    )


def _drill(demo: Demo) -> str:
    schedule = demo.ops("drill", "schedule")
    for drill in schedule["drills"][:3]:
        say(f"  {drill['kind']} of {drill['of']}: {drill['starts_at']}: {drill['why']}")
    demo.url = _surviving(demo, "web")
    done, load = demo.under_load(DRILL_RATE, "drill", "run", "zone_outage", "web", "--now", "--yes")
    demo.summary["rto_seconds"] = done["rto_seconds"]
    demo.extras["drill"] = {
        "requests": {"sent": load.sent, "failed": load.failed},
        "rto_seconds": done["rto_seconds"],
        "rto_phases": done["rto_phases"],
        "restored": done["restored"],
    }
    phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in done["rto_phases"].items())
    return (
        f"a whole zone was cut off, and all served without it after {done['rto_seconds']:.0f} s ({phases}); "
        f"{load.failed} of {load.sent} requests failed"
    )


def _surviving(demo: Demo, cluster: str) -> str:
    """The balancer's address in a zone that the drill will spare: what DNS leads users to once it knows."""
    document = demo.ops("runbook", "render", "zone_outage", cluster, quiet=True)["document"]
    legs: dict[str, str] = demo.ops("local", "status", quiet=True)["balancers"][0]["addresses"]
    return next(f"http://{address}" for zone, address in legs.items() if f"# Zone {zone} is cut off" not in document)


def _report(demo: Demo) -> str:
    path = demo.ops("report")["file"]
    demo.summary["report"] = path
    return f"one page: {path}"


def _destroy(demo: Demo) -> str:
    gone = demo.ops("provision", "destroy", "--yes", "--include-protected")
    return f"{gone['changes']['delete']} resources removed, {len(gone['kept'])} kept"


STEPS = (
    Step("prepare", "A fleet.yaml, checked before anything is touched", _prepare),
    Step("provision", "Three zones: network, balancer, hosts, database, backups", _provision),
    Step("configure", "Converge the hosts, as they did themselves at boot", _configure),
    Step("patch", "Patch every host under load, one zone at a time", _patch),
    Step("plan", "From request history to a forecast and a capacity plan", _plan),
    Step("apply", "The plan into fleet.yaml, and into real hosts", _apply),
    Step("backup", "Back the database up, restore it beside itself and check what came back", _backup),
    Step("drill", "Cut a whole zone off and measure the recovery", _drill),
    Step("report", "One page for the person who pays", _report),
)
LAST = Step("destroy", "Remove everything again", _destroy)
"""Left out when the demo is kept."""
