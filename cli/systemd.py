"""Units for systemd: the scheduler as a service, or a timer for each job that keeps hours of its own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from quartermaster.fleet.windows import DAYS

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.windows import Window

__all__ = ["service", "timers_of"]

_SERVICE = """\
[Unit]
Description=Quartermaster scheduler of {fleet}, stack {stack}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={command}
WorkingDirectory={folder}
# The scheduler asks what it began to stop where it can go on, and waits for it.
KillMode=mixed
TimeoutStopSec=15min
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""
_ONCE = """\
[Unit]
Description=Quartermaster: {what} of {fleet}, stack {stack}

[Service]
Type=oneshot
ExecStart={command}
WorkingDirectory={folder}
KillSignal=SIGINT
TimeoutStartSec=infinity
TimeoutStopSec=15min
"""
_TIMER = """\
[Unit]
Description=Quartermaster: when to run {what} of {fleet}, stack {stack}

[Timer]
{calendar}
# A run that was missed is not made up for: the command checks its window itself.
Persistent=false
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def service(fleet: str, stack: str, file: Path) -> Mapping[str, str]:
    """The scheduler as a service, by name of its unit."""
    command = _command(file, stack, "scheduler", "run")
    text = _SERVICE.format(fleet=fleet, stack=stack, command=command, folder=_path(file.parent))
    return {f"quartermaster-{fleet}-{stack}.service": text}


def timers_of(fleet: Fleet, stack: str, file: Path) -> Mapping[str, str]:
    """A timer and its service for each patch window and each daily or hourly look.

    Drills have none: their hours are chosen anew every day, which takes the scheduler.
    """
    zone = fleet.timezone
    jobs: dict[str, tuple[list[str], tuple[str, ...]]] = {
        f"patch-{name}": (_opens(patching.window, zone), ("patch", "run", name))
        for name, patching in fleet.patching.items()
        if not patching.window.always
    }
    if fleet.metrics.demand:
        jobs["sync"] = (["*-*-* *:00:00"], ("metrics", "sync"))
    jobs["drift"] = ([f"*-*-* 06:00:00 {zone}"], ("provision", "drift"))
    jobs["report"] = ([f"*-*-* 07:00:00 {zone}"], ("report",))
    units = {}
    for what, (times, words) in jobs.items():
        name = f"quartermaster-{fleet.fleet}-{stack}-{what}"
        said = {"what": what, "fleet": fleet.fleet, "stack": stack}
        command = _command(file, stack, *words, "--json", "--yes")
        units[f"{name}.service"] = _ONCE.format(command=command, folder=_path(file.parent), **said)
        units[f"{name}.timer"] = _TIMER.format(calendar="\n".join(f"OnCalendar={at}" for at in times), **said)
    return units


def _opens(window: Window, zone: str) -> list[str]:
    """When the window opens, as systemd writes it."""
    out = []
    for span in window.spans:
        seconds = int(span.start.total_seconds())
        days = ",".join(DAYS[day] for day in sorted(span.days))
        out.append(f"{days} *-*-* {seconds // 3600:02}:{seconds // 60 % 60:02}:00 {zone}")
    return out


def _command(file: Path, stack: str, *words: str) -> str:
    python = [sys.executable, "-m", "quartermaster.cli"]
    return shlex.join([*python, *words, "--fleet", str(file), "--stack", stack]).replace("%", "%%")


def _path(folder: Path) -> str:
    return str(folder).replace("%", "%%")
