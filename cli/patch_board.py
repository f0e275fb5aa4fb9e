"""A patch cycle as it goes: a table of its hosts on a terminal, lines of events elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quartermaster.cli.output import draw
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted

if TYPE_CHECKING:
    from quartermaster.fleet.hosts import Requests
    from quartermaster.playbooks.patch_run import Tools

__all__ = ["Board", "watch"]

_COUNT_SECONDS = 2.0
_BESIDE_ROWS = 8
"""Lines of a terminal that are not rows of hosts."""
_DONE = {
    **{"patched": "green", "pending": "yellow", "replaced": "yellow", "rolled_back": "yellow"},
    **{"failed": "red", "drained": "red"},
}
"""How a host's work may end, each in its colour."""


@dataclass(slots=True)
class _Row:
    zone: str
    phase: str = "waiting"
    begun: float = 0.0
    """When its work began, on the monotonic clock; 0: not yet."""
    phase_begun: float = 0.0
    took: float = 0.0
    """Seconds, once it is done."""

    @property
    def working(self) -> bool:
        return bool(self.begun) and not self.done

    @property
    def done(self) -> bool:
        return self.phase in _DONE


class Board:
    """The table: host, zone, phase, seconds. Hosts under work stand first; what no screen holds is counted."""

    def __init__(self, counts: Callable[[str], Requests | None]) -> None:
        self._cluster = ""
        self._rows: dict[str, _Row] = {}
        self._counts = counts
        self._seen: Requests | None = None
        self._steps: dict[str, str] = {}
        self._console = Console(file=sys.stderr, highlight=False)
        self._live = Live(console=self._console, get_renderable=self.drawn, transient=True)
        self._over = threading.Event()
        self._counter = threading.Thread(target=self._count, daemon=True, name="patch-counts")

    def __enter__(self) -> Board:
        self._live.start()
        self._counter.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._live.stop()
        self._counter.join()

    def show(self, event: Event) -> None:
        """Take one event in; what a person should read stays above the table."""
        self.take(event)
        where = f"{escape(event.host)}  " if event.host else ""
        if isinstance(event, StepFailed):
            self._console.print(f"[red]✗[/] {where}{escape(event.step)}: {escape(event.error)}")
        elif isinstance(event, Noted) and event.level != "debug":
            mark = "[yellow]![/]" if event.level == "warning" else "[dim]·[/]"
            self._console.print(f"{mark} {where}{escape(event.message)}")

    def take(self, event: Event) -> None:
        """Bring the table up to date with one event."""
        if event.host:
            self._take_host(event)
        elif isinstance(event, StepStarted):
            self._steps[event.step] = event.title or event.step.replace("_", " ")
            if plan := event.detail.get("plan"):
                self._cluster = plan["cluster"]
                for host, zone in ((host, wave["zone"]) for wave in plan["waves"] for host in wave["hosts"]):
                    self._rows.setdefault(host, _Row(zone))
        elif isinstance(event, StepFinished | StepFailed):
            self._steps.pop(event.step, None)

    def drawn(self) -> Group:
        """The table and the lines below it as they are now."""
        now = time.monotonic()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("host", "zone", "phase"):
            table.add_column(name, no_wrap=True)
        table.add_column("in phase", justify="right")
        table.add_column("in all", justify="right")
        rows = sorted(self._rows.items(), key=lambda item: (not item[1].working, item[1].done))
        held = max(3, self._console.height - _BESIDE_ROWS)
        for host, row in rows[:held]:
            colour = _DONE.get(row.phase, "cyan" if row.working else "dim")
            phase = Text(row.phase.replace("_", " "), style=colour)
            since = f"{now - row.phase_begun:.0f} s" if row.working else ""
            total = row.took if row.done else now - row.begun if row.begun else 0.0
            table.add_row(host, row.zone, phase, since, f"{total:.0f} s" if total else "")
        left = Counter(row.phase.replace("_", " ") for _, row in rows[held:])
        more = ", ".join(f"{count} {phase}" for phase, count in left.items())
        lines = [f"and {sum(left.values())} more: {more}"] if left else []
        done = sum(row.done for row in self._rows.values())
        sent = f"{self._seen.sent} requests, {self._seen.failed} failed" if self._seen else "no requests seen yet"
        doing = " · ".join(name for step, name in list(self._steps.items()) if step != "patch")
        lines.append(f"{done} of {len(self._rows)} hosts done · {sent}" + (f" · {doing}" if doing else ""))
        return Group(table, *(Text(line, style="dim") for line in lines))

    def _take_host(self, event: Event) -> None:
        row = self._rows.setdefault(event.host, _Row(event.zone))
        now = time.monotonic()
        if "state" in event.detail and isinstance(event, StepFinished | StepFailed):
            row.phase, row.took = event.detail["state"], event.seconds
        elif isinstance(event, StepStarted):
            row.begun = now if row.done else row.begun or now
            row.phase, row.phase_begun = ("starting" if event.step == "host" else event.step), now

    def _count(self) -> None:
        before = None
        while not self._over.wait(_COUNT_SECONDS):
            after = self._counts(self._cluster) if self._cluster else None
            before = before or after
            if before is not None and after is not None:
                self._seen = after - before


def watch(events: Iterator[Event], tools: Tools, earlier: Sequence[Event] = ()) -> None:
    """Draw the events until they end. ``earlier``: what the run's journal held before."""
    from quartermaster.playbooks.patch_gate import read

    if not sys.stderr.isatty():
        draw(events)
        return
    with Board(lambda cluster: read(tools.counter, cluster)) as board:
        for event in earlier:
            board.take(event)
        for event in events:
            board.show(event)
