"""Writes to databases while a drill runs: how long each took none, and whether one that it confirmed is lost."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.write_probe import EVERY_SECONDS, Probe, Writer
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.kind import Meter

__all__ = ["SILENT_SECONDS", "WriteMeter", "clear"]

SILENT_SECONDS = 2.0
"""A database that has confirmed no write for so long takes none."""


class WriteMeter(Meter):
    """Writes to each of the databases that can be written to from here."""

    def __init__(self, databases: Iterable[str], hands: Hands) -> None:
        """Begin. Raises OpsError where a database takes no write: it is not whole."""
        found = {name: hands.writer(name) for name in databases}
        self._writers = {name: writer for name, writer in found.items() if writer is not None}
        self._probes = {name: Probe(writer) for name, writer in self._writers.items()}
        try:
            for probe in self._probes.values():
                probe.start()
        except BaseException:
            self.halt()  # nobody enters the block whose end does
            raise

    def read(self) -> dict[str, Json]:
        """``writes_silent_seconds``: for how long each database has confirmed none."""
        silent = {name: round(probe.silent_seconds(), 3) for name, probe in self._probes.items()}
        return {"writes_silent_seconds": silent} if silent else {}

    def end(self) -> dict[str, Json]:
        """``writes``: what they met, by database; ``rpo_seconds``: as long as the lost ones took to be written."""
        found: dict[str, Json] = {}
        lost = 0
        for name, probe in self._probes.items():
            met = probe.stop()
            lost = max(lost, met.lost)
            found[name] = {
                "sent": met.sent,
                "failed": met.failed,
                "longest_without_seconds": met.away_seconds,
                "confirmed_and_lost": met.lost,
            }
        return {"writes": found, "rpo_seconds": round(lost * EVERY_SECONDS, 1)} if found else {}

    def halt(self) -> None:
        for probe in self._probes.values():
            probe.halt()
        clear(self._writers.values())


def clear(writers: Iterable[Writer]) -> None:
    """Remove the tables that were written into, where the databases answer. Idempotent."""
    for writer in writers:
        with suppress(OpsError):
            writer.drop()
