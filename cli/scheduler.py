"""``ops scheduler``: unattended work, from one calendar, by one leader."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import emit, say
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError, OpsError

__all__ = ["group"]

group = Group("scheduler", "Unattended work: patch windows, drills, metric sync, drift checks, reports.")

_EVERY_SECONDS = 15
_ENDING_SECONDS = 0.5


@group.command("run", example="ops scheduler run")
def run() -> None:
    """Do what the calendar says, when it says so, until stopped; stand by while another scheduler of the stack leads.

    SIGTERM or Ctrl-C: what runs is asked to stop where it can go on, and is awaited.
    """
    from apscheduler.schedulers.background import BackgroundScheduler

    from quartermaster.cli.scheduler_turn import Scheduler
    from quartermaster.cli.scheduler_world import Machine

    ops = session()
    one = Scheduler(Machine(ops), ops.stack)

    def turn() -> None:
        try:
            one.turn()
        except OpsError as error:  # a store out of reach: the next turn tries again
            say(f"warning: {error.message}")

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keeper = BackgroundScheduler(timezone="UTC")
    keeper.add_job(turn, "interval", seconds=_EVERY_SECONDS, next_run_time=ops.clock.now(), coalesce=True,
                   misfire_grace_time=None)  # fmt: skip
    keeper.start()
    say(f"scheduler of {ops.stack}: a turn every {_EVERY_SECONDS} s; Ctrl-C stops it")
    stop.wait()
    keeper.shutdown()  # a turn under way ends first
    one.stop()
    while one.busy:
        one.reap()
        ops.clock.sleep(_ENDING_SECONDS)
    one.leave()
    emit({"state": "stopped"}, "stopped; what was cut short goes on when a scheduler runs again")


@group.command("install", example="ops scheduler install --print")
def install(
    print_: Annotated[bool, typer.Option("--print", help="Print the units.")] = False,
    timers: Annotated[bool, typer.Option("--timers", help="A timer for each job instead of one service.")] = False,
) -> None:
    """Print systemd units that keep the scheduler running, or that do without it. Installs nothing by itself."""
    from quartermaster.cli.systemd import service, timers_of

    ops = session()
    if not print_:
        raise InputError("units are yours to install", remedy="--print, then into /etc/systemd/system as told there")
    file = ops.fleet_file.resolve()
    units = timers_of(ops.fleet, ops.stack, file) if timers else service(ops.fleet.fleet, ops.stack, file)
    text = "\n".join(f"# {Path('/etc/systemd/system') / name}\n{unit}" for name, unit in units.items())
    emit({"units": dict(units)}, text)
