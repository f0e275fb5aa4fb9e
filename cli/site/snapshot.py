"""The last look at the fleet, taken beside the requests: a page never waits for the cloud or a forecast."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")
log = logging.getLogger("quartermaster.site")


class Kept(Generic[T]):
    """A value that is read anew in a thread of its own once it is older than so many seconds and someone asks."""

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read, self._seconds = read, seconds
        self._lock = threading.Lock()
        self._value: T | None = None
        self._at = float("-inf")
        self._reading = False
        self.error = ""
        """Why it could not be read the last time; empty when it could."""

    def get(self) -> T | None:
        """The value as it was read last; None while it is read for the first time. Returns at once."""
        with self._lock:
            if not self._reading and time.monotonic() - self._at >= self._seconds:
                self._reading = True
                threading.Thread(target=self._renew, daemon=True, name="site-look").start()
            return self._value

    def _renew(self) -> None:
        value, error = self._value, ""
        try:
            value = self._read()
        except Exception as exc:  # noqa: BLE001 - the page shows it; the next look may do better
            log.warning("the fleet could not be read: %s", exc)
            error = str(exc)
        with self._lock:
            self._value, self.error, self._at, self._reading = value, error, time.monotonic(), False
