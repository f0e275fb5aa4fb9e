"""Bring every missing part, side by side, with plain lines of progress on stderr.

Each part is brought by a process of its own (this module with ``--part``), which prints its progress on stdout and,
when it fails, the reason on stderr. So a part that is told to stop can unwind by itself: put back what it set aside,
remove its folder. A part that is there costs a read and no process.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.setup import venv
from quartermaster.infra.setup.parts import PARTS, Part, Wish

__all__ = ["main"]

_HEARTBEAT_SECONDS = 10.0


class _Brought:
    """A part under way: its process, and when we last said something of it."""

    def __init__(self, part: Part, wish: Wish) -> None:
        command = [sys.executable, "-m", "quartermaster.infra.setup", "--part", part.name]
        command += ["--browser"] if wish.browser else []
        pipe = subprocess.PIPE
        # A session of its own: Ctrl-C reaches us alone, and we tell each part.
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        assert self.process.stdout is not None
        self.output = self.process.stdout.fileno()
        self._begun_line = ""
        self.part = part
        self.begun = time.monotonic()
        self.doing = "started"
        self._said_at = self.begun

    def hear(self) -> None:
        """Take what the part has said since; of lines that differ in numbers only, one each heartbeat is shown."""
        *lines, self._begun_line = (self._begun_line + os.read(self.output, 65536).decode()).split("\n")
        for line in lines:
            self._note(line)

    def _note(self, line: str) -> None:
        new = re.sub(r"\d+", "", line) != re.sub(r"\d+", "", self.doing)
        self.doing = line
        if new:
            self.tell(line)

    def tell(self, text: str) -> None:
        self._said_at = time.monotonic()
        _tell(self.part.name, f"{self._said_at - self.begun:5.1f} s  {text}")

    def beat(self) -> None:
        if time.monotonic() - self._said_at >= _HEARTBEAT_SECONDS:
            self.tell(self.doing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run set-up; exit status 0 when every part is there, 1 when one could not be brought, 2 for bad arguments."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="setup", description="Bring what this project needs on this machine.")
    parser.add_argument("--browser", action="store_true", help="also what tests of pages need")
    parser.add_argument("--only", action="append", choices=names, metavar="PART", help=f"one of: {', '.join(names)}")
    parser.add_argument("--part", choices=names, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    wish = Wish(venv.project(), chosen.browser)
    signal.signal(signal.SIGTERM, _stop)
    if chosen.part:
        return _bring_one(next(part for part in PARTS if part.name == chosen.part), wish)
    if venv.is_checkout(wish.home):
        venv.link_folders(wish.home)
    wanted = [part for part in PARTS if not chosen.only or part.name in chosen.only]
    begun = time.monotonic()
    failed = _bring(wanted, wish)
    if not failed:
        _tell("set-up", f"ready in {time.monotonic() - begun:.1f} s")
        return 0
    for name, reason in failed.items():
        _tell(name, f"failed: {reason}")
    return 1


def _stop(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _bring_one(part: Part, wish: Wish) -> int:
    def say(line: str) -> None:
        # Nobody reads any more when set-up itself was killed: go on, what is half done is worse.
        with contextlib.suppress(OSError):
            os.write(1, f"{line}\n".encode())

    try:
        part.bring(wish, say)
    except OpsError as exc:
        sys.stderr.write(f"{exc.message}\n" + (f"remedy: {exc.remedy}\n" if exc.remedy else ""))
        return exc.exit_code
    return 0


def _bring(wanted: Sequence[Part], wish: Wish) -> dict[str, str]:
    """Bring what is missing; the parts that failed, with the reason."""
    waiting = [part for part in wanted if not part.ready(wish)]
    failed: dict[str, str] = {}
    running: list[_Brought] = []
    heard = selectors.DefaultSelector()
    try:
        while waiting or running:
            packages_pending = any(p.name == "packages" for p in [*waiting, *(b.part for b in running)])
            for part in list(waiting):
                if packages_pending and part.waits_for_packages(wish):
                    continue
                waiting.remove(part)
                reason = part.skip(wish)
                if reason:
                    _tell(part.name, f"left out: {reason}")
                elif "packages" in failed and part.waits_for_packages(wish):
                    failed[part.name] = "not tried, it needs the system packages"
                else:
                    brought = _Brought(part, wish)
                    running.append(brought)
                    heard.register(brought.output, selectors.EVENT_READ, brought)
            _listen(heard)
            for brought in [b for b in running if b.process.poll() is not None]:
                running.remove(brought)
                heard.unregister(brought.output)
                _finish(brought, failed)
    except BaseException:
        _end([brought.process for brought in running])
        raise
    return failed


def _listen(heard: selectors.BaseSelector) -> None:
    """Wait up to half a second for progress, and show it."""
    for key, _ in heard.select(timeout=0.5):
        key.data.hear()
    for key in heard.get_map().values():
        key.data.beat()


def _finish(brought: _Brought, failed: dict[str, str]) -> None:
    _, errors = brought.process.communicate()
    if brought.process.returncode == 0:
        brought.tell("done")
    else:
        failed[brought.part.name] = errors.strip() or f"ended with {brought.process.returncode}"


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Tell parts to stop and wait until each has put things back."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.communicate()


def _tell(name: str, text: str) -> None:
    sys.stderr.write(f"{name:<9} {text}\n")
