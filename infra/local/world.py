"""What the parts of the daemon share: identity, timing, the clock and the one lock over moto's state."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import LOCAL_ACCOUNT
from quartermaster.infra.local.ledger import Ledger
from quartermaster.infra.local.timing import Timing

__all__ = ["World", "log"]

log = logging.getLogger("quartermaster.local")


@dataclass
class World:
    """One local cloud."""

    instance: str
    """Six hex digits, new with every local cloud: the stack records it."""
    fleet: str
    home: Path
    """``.ops/local``"""
    timing: Timing
    ledger: Ledger
    with_hosts: bool
    """Whether real hosts are made: Linux, root, base tree."""
    why_no_hosts: str = ""
    account: str = LOCAL_ACCOUNT
    port: int = 0
    base_tree: Path = field(default_factory=Path)
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held around every moto call and every look into its backends: moto itself is not safe for threads."""
    failed_zones: set[str] = field(default_factory=set)

    @property
    def prefix(self) -> str:
        """What the names of our bridges, interfaces and namespaces begin with."""
        return f"qm{self.instance}"

    def backend(self, service: str, region: str) -> Any:
        """moto's records of a service in a region."""
        return self._records(service)[region]

    def backends(self, service: str) -> list[Any]:
        """Those of a service in every region in use."""
        return list(self._records(service).values())

    def _records(self, service: str) -> Any:
        import moto.backends

        of: Any = moto.backends.get_backend
        return of(service)[self.account]

    @staticmethod
    def now() -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()
