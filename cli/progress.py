"""Events drawn on stderr: lines for what is done, one moving line for what runs."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted

__all__ = ["Progress"]

_PULSE_SECONDS = 15.0


class Progress:
    """Draws the events of one piece of work; without a terminal it prints plain lines."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._running: dict[tuple[str, str], str] = {}
        self._done = 0
        self._last = ""
        self._started_at = time.monotonic()
        self._status: Status | None = None
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._tell_now_and_then, daemon=True, name="progress")

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._status = self._console.status("…")
            self._status.start()
        else:
            self._pulse.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        if self._status is not None:
            self._status.stop()
        else:
            self._pulse.join()

    def show(self, event: Event) -> None:
        """Draw one event."""
        key = (event.step, event.host)
        label = self._label(event)
        if isinstance(event, StepStarted):
            self._running[key] = label
        elif isinstance(event, StepFinished):
            self._running.pop(key, None)
            self._done += 1
            if not self._quiet:
                note = "" if event.changed else "  (nothing to do)"
                self._print(f"[green]✓[/] {label}  [dim]{event.seconds:.1f} s{note}[/]")
        elif isinstance(event, StepFailed):
            self._running.pop(key, None)
            self._print(f"[red]✗[/] {label}: {escape(event.error)}")
        elif isinstance(event, Noted) and event.level == "debug":
            self._last = escape(event.message)
        elif isinstance(event, Noted):
            mark = "[yellow]![/]" if event.level == "warning" else "[dim]·[/]"
            where = f"{escape(event.host)}: " if event.host else ""
            self._print(f"{mark} {where}{escape(event.message)}")
        self._refresh()

    def _print(self, markup: str) -> None:
        if self._status is not None:
            self._console.print(markup)
        else:  # rich takes a millisecond to print a line, and the work waits for it
            sys.stderr.write(f"{Text.from_markup(markup).plain}\n")

    def _label(self, event: Event) -> str:
        where = " ".join(part for part in (event.host, event.zone) if part)
        title = event.title or event.step.replace("_", " ")
        return escape(f"{title}  {where}" if where else title)

    def _refresh(self) -> None:
        if self._status is not None:
            self._status.update(self._now())

    def _now(self) -> str:
        now = list(self._running.values())
        shown = " · ".join(now[:3]) + (f" and {len(now) - 3} more" if len(now) > 3 else "")
        return f"{shown or 'working'}  [dim]{self._last}  {self._done} done[/]"

    def _tell_now_and_then(self) -> None:
        """Where no line can move, say every now and then what runs."""
        while not self._over.wait(_PULSE_SECONDS):
            seconds = time.monotonic() - self._started_at
            self._print(f"[dim]… {seconds:.0f} s:[/] {self._now()}")
