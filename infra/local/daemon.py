"""The daemon of the local cloud: one process a fleet, started by ``client.ensure_running``, outliving it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import LocalCloud
from quartermaster.fleet.journal import process_started
from quartermaster.infra.local.ledger import Ledger, sweep
from quartermaster.infra.local.server import Application, Listener, moto_application
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World, log

__all__ = ["main"]


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
    world = _world(home, options.fleet, Timing.named(options.timing))
    world.ledger.add("run", world.instance)
    secret = secrets.token_urlsafe(24)
    moto = moto_application()
    routes: dict[str, Any] = {"status": lambda _body: _status(world), "stop": lambda _body: _stop(stop)}
    application = Application(world, moto, routes, home / "packages", secret)
    door = Listener(application, "127.0.0.1", 0)
    world.port = door.port
    _announce(world, secret)
    log.info("local cloud %s of fleet %s ready on port %d", world.instance, world.fleet, world.port)
    try:
        while not stop.wait(0.5):
            pass
    finally:
        log.info("local cloud %s stops", world.instance)
        door.close()
        for line in sweep(world.ledger.entries()):
            log.info("removed %s", line)
        (home / "daemon.json").unlink(missing_ok=True)
        world.ledger.forget()


def _world(home: Path, fleet: str, timing: Timing) -> World:
    return World(
        instance=secrets.token_hex(3),
        fleet=fleet,
        home=home,
        timing=timing,
        ledger=Ledger(home / "ledger.jsonl"),
        with_hosts=False,
        why_no_hosts="",
    )


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
    draft = world.home / f"daemon.json.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(local), indent=1) + "\n", encoding="utf-8")
    draft.rename(world.home / "daemon.json")


def _status(world: World) -> Mapping[str, Any]:
    return {
        "instance": world.instance,
        "fleet": world.fleet,
        "pid": os.getpid(),
        "timing": world.timing.name,
        "hosts": [],
        "balancers": [],
        "databases": [],
        "failed_zones": sorted(world.failed_zones),
        "with_hosts": world.with_hosts,
        "why_no_hosts": world.why_no_hosts,
    }


def _stop(stop: threading.Event) -> Mapping[str, Any]:
    stop.set()
    return {"stopping": True}


if __name__ == "__main__":
    main()
