"""Jobs side by side as one stream of events, each event taken by the consumer before its job goes on.

So the journal's rule (written down before the act) holds for threads as well: ``say`` returns once the consumer has
come back for the next event. When the consumer stops, every job ends at its next ``say`` or ``wait``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from quartermaster.fleet.events import Event

__all__ = ["Job", "Voice", "together"]


class _Abandoned(BaseException):
    """The consumer is gone. Derived so that no job takes it for a failure of its own."""


class Voice:
    """What a job speaks through."""

    def __init__(self) -> None:
        self._talk: queue.Queue[tuple[Event, threading.Event] | None] = queue.Queue()
        self._stopped = threading.Event()

    def say(self, event: Event) -> None:
        """Hand the event over; returns when it has been taken. Acts come after it."""
        taken = threading.Event()
        self._talk.put((event, taken))
        taken.wait()
        self._check()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the consumer is gone."""
        self._stopped.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Abandoned

    def _work(self, job: Job, errors: list[BaseException]) -> None:
        try:
            job(self)
        except _Abandoned:
            pass
        except BaseException as exc:  # noqa: BLE001 - raised again in the consumer's thread
            errors.append(exc)
        finally:
            self._talk.put(None)

    def _listen(self, count: int) -> Iterator[Event]:
        while count:
            spoken = self._talk.get()
            if spoken is None:
                count -= 1
                continue
            event, taken = spoken
            try:
                yield event
            except BaseException:
                self._stopped.set()  # before the job may go on
                raise
            finally:
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


def together(jobs: Sequence[Job]) -> Iterator[Event]:
    """Run the jobs, each in a thread, and yield their events. Raises the first error of a job after all have ended."""
    voice = Voice()
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=voice._work, args=(job, errors), name=f"job-{number}", daemon=True)
        for number, job in enumerate(jobs)
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
