"""The daemon of the local cloud: one process a fleet, started by ``client.ensure_running``, outliving it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import LocalCloud
from quartermaster.fleet.files import replacing
from quartermaster.fleet.processes import process_started
from quartermaster.infra.local import (
    moto_acm,
    moto_autoscaling,
    moto_balancers,
    moto_ec2,
    moto_elbv2,
    moto_group_settings,
    moto_groups_api,
    moto_rds,
    moto_rds_backups,
    moto_rds_restart,
    moto_refresh,
    moto_route53,
    moto_schedule,
    moto_tracking,
    moto_zonal_shift,
)
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.backups import Backups
from quartermaster.infra.local.balancers import Balancers
from quartermaster.infra.local.databases import Databases
from quartermaster.infra.local.host import HostSpec
from quartermaster.infra.local.ledger import Ledger, sweep
from quartermaster.infra.local.machines import Machines, Work
from quartermaster.infra.local.network import Network
from quartermaster.infra.local.packages import Repository
from quartermaster.infra.local.server import Application, Listener, Route, moto_application
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World, log
from quartermaster.infra.setup import basetree

__all__ = ["main"]

_TURN_SECONDS = {"real": 0.5, "instant": 0.1}


def main(argv: list[str] | None = None) -> None:
    """Run the local cloud until SIGTERM."""
    parser = argparse.ArgumentParser(prog="quartermaster-local-cloud")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fleet", required=True)
    parser.add_argument("--timing", default="real")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    home: Path = options.home.resolve()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    cloud = Cloud(_world(home, options.fleet, Timing.named(options.timing)), stop)
    try:
        cloud.run()
    finally:
        cloud.close()


class Cloud:
    """The parts of one local cloud, wired."""

    def __init__(self, world: World, stop: threading.Event) -> None:
        self.world = world
        self._stop = stop
        world.ledger.add("run", world.instance)
        self._secret = secrets.token_urlsafe(24)
        self._network = Network(world)
        self._work = Work(workers=4)
        self._machines = Machines(world, self._network, self._work)
        self._balancers = Balancers(world, self._network, self._work)
        self._slow_work = Work(workers=8)
        authority = Authority.kept_in(world.home / "authority")
        self._backups = Backups(world, authority)
        self._databases = Databases(world, self._network, self._slow_work, authority, self._backups)
        moto = moto_application()
        moto_ec2.install(world)
        moto_acm.install(authority)
        moto_elbv2.install(world)
        moto_zonal_shift.install(world, moto)
        moto_route53.install(world)
        moto_groups_api.install(world)
        moto_group_settings.install()
        moto_refresh.install(world)
        moto_schedule.install()
        moto_tracking.install()
        moto_rds.install(world)
        moto_rds_restart.install(world)
        moto_rds_backups.install(world)
        self._repository = Repository(world.home / "packages")
        self._application = Application(world, moto, self._routes(), self._repository.folder, self._secret)
        self._backups.serve(self._application)
        self._doors: dict[str, Listener] = {"": Listener(self._application, "127.0.0.1", 0)}
        world.port = self._doors[""].port
        self._wanted: dict[str, HostSpec] = {}

    def run(self) -> None:
        """Announce the cloud and turn until it is told to stop."""
        _announce(self.world, self._secret)
        log.info("local cloud %s of fleet %s ready on port %d", self.world.instance, self.world.fleet, self.world.port)
        while not self._stop.wait(_TURN_SECONDS[self.world.timing.name]):
            try:
                self.turn()
            except Exception:  # noqa: BLE001 - the loop is the cloud: log and turn again
                log.exception("turn failed")

    def turn(self) -> None:
        """One observation, one set of decisions."""
        with self.world.lock:
            moto_ec2.advance(self.world, self._machines.ids())
            moto_elbv2.advance(self.world)
            moto_route53.advance(self.world)
            moto_schedule.advance(self.world, datetime.now(UTC))
            moto_tracking.advance(self.world, self._balancers.pool_requests(), self._machines.busy)
            moto_refresh.advance(self.world)
            moto_autoscaling.advance(self.world)
            real = self.world.with_hosts
            self._wanted = moto_ec2.specs(self.world) if real else {}
            balancers = moto_balancers.specs(self.world) if real else {}
            moto_rds.advance(self.world)
            databases = moto_rds.specs(self.world) if real else {}
            pools = [pool for spec in balancers.values() for pool in spec.pools]
            servers = {pool.name: moto_elbv2.servers(self.world, pool) for pool in pools}
        self._machines.step(self._wanted)
        self._balancers.step(balancers, servers)
        self._databases.step(databases)
        for bridge in self._network.bridges():
            if bridge.name not in self._doors:
                self._doors[bridge.name] = Listener(self._application, bridge.address, self.world.port)

    def close(self) -> None:
        """Remove everything. Idempotent."""
        log.info("local cloud %s stops", self.world.instance)
        self._work.close()
        self._slow_work.close()
        self._balancers.close()
        self._databases.close()
        self._backups.close()
        self._machines.close()
        for door in self._doors.values():
            door.close()
        for line in sweep(self.world.ledger.entries()):
            log.info("removed %s", line)
        (self.world.home / "daemon.json").unlink(missing_ok=True)
        self.world.ledger.forget()

    def _routes(self) -> dict[str, Route]:
        return {
            "status": lambda _body: self._status(),
            "hosts/kill": lambda body: self._machines.kill(body["host"]),
            "database/kill": lambda body: self._databases.kill(body["database"]),
            "hosts/enter": lambda body: self._enter(body["host"]),
            "packages/add": lambda body: self._repository.add(Path(body["path"])),
            "requests": lambda body: asdict(self._balancers.requests(body["balancer"])),
            "requests/hosts": lambda body: self._balancers.host_requests(body["balancer"]),
            "zones/fail": lambda body: self._zone(body["zone"], failed=True),
            "zones/heal": lambda body: self._zone(body["zone"], failed=False),
        }

    def _status(self) -> Mapping[str, Any]:
        world = self.world
        return {
            "instance": world.instance,
            "fleet": world.fleet,
            "pid": os.getpid(),
            "timing": world.timing.name,
            "hosts": self._machines.facts(self._wanted),
            "balancers": self._balancers.facts(),
            "databases": self._databases.facts(),
            "failed_zones": sorted(world.failed_zones),
            "with_hosts": world.with_hosts,
            "why_no_hosts": world.why_no_hosts,
        }

    def _enter(self, host_id: str) -> Mapping[str, Any]:
        machine = self._machines.get(host_id)
        return {"prefix": machine.enter(), "address": machine.spec.address}

    def _zone(self, zone: str, *, failed: bool) -> None:
        with self.world.lock:
            known = moto_ec2.zones(self.world)
        if zone not in known:
            raise KeyError(f"no zone {zone!r} in use; there are {', '.join(sorted(known)) or 'none'}")
        if failed:
            self.world.failed_zones.add(zone)
        else:
            self.world.failed_zones.discard(zone)
        log.info("zone %s %s", zone, "is cut off" if failed else "is healed")


def _world(home: Path, fleet: str, timing: Timing) -> World:
    why_not = _why_no_hosts()
    tree = basetree.path()
    return World(
        instance=secrets.token_hex(3),
        fleet=fleet,
        home=home,
        timing=timing,
        ledger=Ledger(home / "ledger.jsonl"),
        with_hosts=not why_not,
        why_no_hosts=why_not,
        base_tree=tree,
    )


def _why_no_hosts() -> str:
    """What this machine lacks for real hosts; empty when it has all. Read-only."""
    if sys.platform != "linux":
        return "real hosts need Linux"
    if os.geteuid() != 0:
        return "real hosts need root"
    if not basetree.path().is_dir():
        return f"the base tree {basetree.path()} is not built yet: run `ops setup`"
    missing = [tool for tool in ("ip", "nsenter", "haproxy", "dpkg-scanpackages") if shutil.which(tool) is None]
    return f"missing on this machine: {', '.join(missing)}: run `ops setup`" if missing else ""


def _announce(world: World, secret: str) -> None:
    """Write daemon.json in one step: whoever sees it finds a cloud that answers."""
    local = LocalCloud(
        instance=world.instance,
        pid=os.getpid(),
        pid_started=process_started(os.getpid()),
        endpoint=f"http://127.0.0.1:{world.port}",
        access_key="AKIALOCAL" + world.instance.upper(),
        secret_key=secret,
    )
    with replacing(world.home / "daemon.json") as draft:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(local), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
