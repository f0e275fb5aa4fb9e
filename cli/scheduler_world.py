"""The world of a scheduler on this machine: the stack's books, and ``ops`` as processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import IO

from quartermaster.cli.options import Options
from quartermaster.cli.scheduler_turn import Ended
from quartermaster.cli.session import Session
from quartermaster.fleet.events import Json
from quartermaster.fleet.processes import process_alive, process_started
from quartermaster.planner.jobs import Calendar, calendar

__all__ = ["Command", "Machine"]

_SAID = 2_000
"""Characters of what a failed command said that its run keeps."""


class Machine:
    """Reads fleet.yaml anew for each calendar, so that a change of it needs no restart."""

    def __init__(self, ops: Session) -> None:
        self._ops = ops
        self.journal, self.leases = ops.journal, ops.leases

    def now(self) -> datetime:
        return self._ops.clock.now()

    def file(self) -> bytes:
        return self._ops.fleet_file.read_bytes()

    def calendar(self, start: datetime, end: datetime) -> Calendar:
        from quartermaster.cli.forecasts import drill_plan, plan_of_store

        ops = Session(Options(fleet=self._ops.fleet_file, stack=self._ops.stack))
        drills = drill_plan(ops, 14).drills
        plan_of_store.cache_clear()  # it is kept by session, and tomorrow's is another
        return calendar(ops.fleet, ops.stack, drills, start, end)

    def midnight(self, at: datetime) -> datetime:
        zone = self._ops.fleet.tz
        return datetime.combine(at.astimezone(zone).date() + timedelta(days=1), time(), zone).astimezone(UTC)

    def begin(self, command: Sequence[str]) -> Command:
        common = ["--fleet", str(self._ops.fleet_file), "--stack", self._ops.stack, "--json", "--yes"]
        return Command.begin([sys.executable, "-m", "quartermaster.cli", *command, *common])

    def alive(self, pid: int, started: str) -> bool:
        return process_alive(pid, started)


@dataclass(frozen=True, slots=True)
class Command:
    """A process under way."""

    _process: subprocess.Popen[bytes]
    _said: IO[bytes]
    _wrote: IO[bytes]
    process: tuple[int, str]

    @classmethod
    def begin(cls, command: Sequence[str]) -> Command:
        """Start it, away from this terminal: Ctrl-C there is for the scheduler, who passes it on."""
        wrote, said = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        begun = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=wrote, stderr=said, start_new_session=True)
        return cls(begun, said, wrote, (begun.pid, process_started(begun.pid)))

    def ended(self) -> Ended | None:
        status = self._process.poll()
        if status is None:
            return None
        wrote, said = (_read(file) for file in (self._wrote, self._said))
        return Ended(status, _document(wrote), said[-_SAID:].decode(errors="replace"))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    with file:
        return file.read()


def _document(text: bytes) -> Json:
    """What a command with ``--json`` wrote; None where that is no document."""
    try:
        return json.loads(text)
    except ValueError:
        return None
