"""Errors as people and machines read them, and the exit status they carry."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict

from quartermaster.cli.options import options
from quartermaster.fleet.errors import Fault, InputError, OpsError

__all__ = ["FOUND", "guarded", "render"]

FOUND = 3
"""Exit status of a command that was asked to say so where it finds changes, drift or objectives out of reach."""
_INTERRUPTED = 130


def guarded(work: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Call ``work``; print an error it raises and return the error's exit status. No traceback without --debug.

    With --json the error is the document on stdout, unless the result is there already: it is one document.
    """
    options().answered = False
    try:
        return work(arguments)
    except OpsError as error:
        return _told(error)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped by hand; the journal holds what was done (`ops history`)\n")
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - the last door: a fault of ours, told as such
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            where = error.filename or "what was written to"
            return _told(OpsError(f"{where}: {os.strerror(errno.ENOSPC)}", remedy="make room (df), then again"))
        if isinstance(error, OSError) and error.filename is not None:
            remedy = "see that it is there, and yours to read and write; --debug shows where"
            return _told(OpsError(f"{error.filename}: {error.strerror}", remedy=remedy))
        if options().debug:
            traceback.print_exc()
        else:
            sys.stderr.write(
                f"error: a fault in ops itself: {type(error).__name__}: {error}\n  remedy: run again with --debug\n"
            )
        return 1


def _told(error: OpsError) -> int:
    if options().debug:
        traceback.print_exc()
    if options().json and not options().answered:
        sys.stdout.write(json.dumps(_as_json(error)) + "\n")
    sys.stderr.write(render(error))
    return error.exit_code


def render(error: OpsError) -> str:
    """The error as lines for a terminal: message, each fault with line and remedy, remedy."""
    lines = [f"error: {error.message}"]
    if isinstance(error, InputError) and not _says(error):
        for fault in error.faults:
            lines += [f"  {_place(fault)}: {fault.problem}", f"      → {fault.remedy}"]
    if error.remedy:
        lines.append(f"  remedy: {error.remedy}")
    return "\n".join(lines) + "\n"


def _says(error: InputError) -> bool:
    """Whether message and remedy say all that the faults do."""
    return all(f.problem in error.message and f.remedy == error.remedy and not f.line for f in error.faults)


def _place(fault: Fault) -> str:
    file = f"{fault.file}:{fault.line}" if fault.line else fault.file
    return " ".join(part for part in (file, fault.where) if part)


def _as_json(error: OpsError) -> dict[str, object]:
    faults = error.faults if isinstance(error, InputError) else ()
    return {
        "error": error.message,
        "remedy": error.remedy,
        "faults": [asdict(fault) for fault in faults],
    }
