"""Fetching ahead: while one wave is worked on, the hosts of the next keep their packages and bring the new ones.

Those of the first do so while the group is made ready.

They serve meanwhile and nothing of them changes. A host's own turn asks for the same again: it is told what was done,
or does what was not, and says then why it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, Noted
from quartermaster.playbooks.machine import Machine, Machines
from quartermaster.playbooks.patch_past import Past
from quartermaster.playbooks.patch_plan import Wave
from quartermaster.playbooks.together import AT_ONCE

__all__ = ["Ahead"]


class Ahead:
    """The hosts that were begun on before their turn, and the way to all others."""

    def __init__(self, machines: Machines, run: str) -> None:
        self._machines, self._run = machines, run
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ahead")
        self._begun: dict[str, tuple[Machine, Future[None]]] = {}

    def fetch(self, past: Past, wave: Wave | None) -> Iterator[Event]:
        """Begin on those hosts of the wave, if there is one, that nobody has begun on. Returns at once.

        They come after those of the wave before, for which a wave waits.
        """
        if wave is None:
            return
        waiting = {host: past.plan.pinned(host) for host in wave.hosts if not past.host(host).begun}
        if waiting := {host: pins for host, pins in waiting.items() if pins}:
            said = f"meanwhile {len(waiting)} host(s) of wave {wave.number} fetch their packages"
            yield Noted(step="wave", zone=wave.zone, message=said, level="debug")
        before = [fetched for _, fetched in self._begun.values()]
        for host, pins in waiting.items():
            machine = self._machines.open(host)
            self._begun[host] = machine, self._pool.submit(self._save, machine, pins, before)

    def open(self, host: str) -> Machine:
        """The host, once what was begun on it is over."""
        if (begun := self._begun.pop(host, None)) is None:
            return self._machines.open(host)
        machine, fetched = begun
        fetched.result()
        return machine

    def close(self) -> None:
        """Leave the hosts whose turn did not come, once what was begun on them is over."""
        self._pool.shutdown(cancel_futures=True)
        for machine, _ in self._begun.values():
            machine.close()

    def _save(self, machine: Machine, pins: Mapping[str, str], before: Sequence[Future[None]]) -> None:
        wait(before)
        with suppress(OpsError):
            machine.save(self._run, pins)
