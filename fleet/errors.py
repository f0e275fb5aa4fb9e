"""Every error a user can meet, as one tree.

    OpsError                exit 1   the work failed
    ├── InputError          exit 2   bad input: every fault at once, before anything is touched
    │   └── WrongAccount    exit 2   the credentials are not the stack's
    ├── MissingPart         exit 2   this machine or session lacks something; the remedy says what
    ├── NotProvisioned      exit 1   the stack lacks what the work is about; `ops provision up` makes it
    ├── LeaseHeld           exit 1   someone else works on the same failure domain
    ├── LeaseLost           exit 4   our lease was broken or expired while we worked
    ├── GuardRefused        exit 1   a guard (health, capacity, freeze, window) forbids the act
    └── Stopped             exit 4   stopped part-way; the message names the command that goes on

Foreign errors are translated once, in the adapter that meets them, with ``from exc``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "Fault",
    "GuardRefused",
    "InputError",
    "LeaseHeld",
    "LeaseLost",
    "MissingPart",
    "NotProvisioned",
    "OpsError",
    "Stopped",
    "WrongAccount",
]


class OpsError(Exception):
    """The work failed. ``remedy`` says what the user can do about it."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input."""

    where: str
    """Dotted path (``clusters.web.size.min``) or column name."""
    problem: str
    """What is wrong, with the offending value in it."""
    remedy: str
    """What to write instead."""
    line: int | None = None
    """1-based line in the file, where the input has lines."""
    file: str = ""


class InputError(OpsError, ValueError):
    """Bad input, refused before the first side effect, all faults together."""

    exit_code = 2

    def __init__(self, message: str, faults: Iterable[Fault] = (), *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.faults: Sequence[Fault] = tuple(faults)


class WrongAccount(InputError):
    """STS answers another account or region than the stack declares."""


class MissingPart(OpsError):
    """This machine lacks a part (engine, base tree, root); ``remedy`` is the command that brings it."""

    exit_code = 2


class NotProvisioned(OpsError, KeyError):
    """The stack lacks what the work is about."""


class LeaseHeld(OpsError):
    """Another run holds a lease on an overlapping scope."""


class LeaseLost(OpsError):
    """Our lease was broken or expired while we worked: nothing more is done."""

    exit_code = 4


class GuardRefused(OpsError):
    """A guard forbids the act now."""


class Stopped(OpsError):
    """Stopped part-way and resumable."""

    exit_code = 4
