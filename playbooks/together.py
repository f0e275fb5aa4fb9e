"""Jobs side by side as one stream of events, each act announced to the consumer before its job goes on.

So the journal's rule (written down before the act) holds for threads as well: ``say`` of a started step returns once
the consumer has come back for the next event. Events that wait together are handed over as such, for one write. When
the consumer stops, every job ends at its next started step or ``wait``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from quartermaster.fleet.events import Event, StepStarted

__all__ = ["AT_ONCE", "Job", "Voice", "together"]


class _Abandoned(BaseException):
    """The consumer is gone. Derived so that no job takes it for a failure of its own."""


class Voice:
    """What a job speaks through."""

    def __init__(self) -> None:
        self._talk: queue.SimpleQueue[tuple[Event, threading.Event] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def say(self, event: Event, *, reads: bool = False) -> None:
        """Hand the event over; of a started step, return when it has been taken: its act comes after.

        ``reads``: the step changes nothing, so nobody waits.
        """
        taken = threading.Event()
        self._talk.put((event, taken))
        if isinstance(event, StepStarted) and not reads:
            taken.wait()
        self._check()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the consumer is gone."""
        self._stopped.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Abandoned

    def _work(self, waiting: queue.SimpleQueue[Job], errors: list[Exception]) -> None:
        try:
            while (job := _next(waiting)) is not None:
                self._check()
                try:
                    job(self)
                except Exception as exc:  # noqa: BLE001 - raised again in the consumer's thread
                    errors.append(exc)
        except _Abandoned:
            pass
        finally:
            self._talk.put(None)

    def _listen(self, count: int) -> Iterator[Event]:
        while count:
            spoken = [self._talk.get()]
            with suppress(queue.Empty):
                while True:
                    spoken.append(self._talk.get_nowait())
            said = [one for one in spoken if one is not None]
            count -= len(spoken) - len(said)
            try:
                yield from (replace(event, more=True) for event, _ in said[:-1])
                yield from (event for event, _ in said[-1:])
            except BaseException:
                self._stopped.set()  # before a job may go on
                raise
            finally:
                for _, taken in said:
                    taken.set()

    def _dismiss(self) -> None:
        """Let jobs that wait to be heard find out that nobody listens."""
        self._stopped.set()
        while True:
            try:
                spoken = self._talk.get_nowait()
            except queue.Empty:
                return
            if spoken is not None:
                spoken[1].set()


Job = Callable[[Voice], None]
AT_ONCE = 32
"""Jobs side by side: each holds a thread and a connection of the controller."""


def together(jobs: Sequence[Job]) -> Iterator[Event]:
    """Run the jobs in threads, the next as one ends, and yield their events. Raises the first error after the last."""
    voice = Voice()
    errors: list[Exception] = []
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    threads = [
        threading.Thread(target=voice._work, args=(waiting, errors), name=f"job-{number}", daemon=True)
        for number in range(min(len(jobs), AT_ONCE))
    ]
    for thread in threads:
        thread.start()
    try:
        yield from voice._listen(len(threads))
    finally:
        for thread in threads:
            while thread.is_alive():
                voice._dismiss()
                thread.join(0.05)
    if errors:
        raise errors[0]


def _next(waiting: queue.SimpleQueue[Job]) -> Job | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None
