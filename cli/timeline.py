"""A run as a timeline: a bar for each step of each host. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from textwrap import fill
from typing import TYPE_CHECKING

from quartermaster.fleet.events import Noted, StepFailed, StepStarted

if TYPE_CHECKING:
    from quartermaster.fleet.journal import Recorded

__all__ = ["COLUMNS", "Bar", "bars", "drawn"]

COLUMNS = ("at (UTC)", "step", "host", "state", "#seconds", "when")
_WIDEST, _NARROWEST = 40, 8
_STEP = 20
"""Columns of a step's title where there is too little room for the whole of it and a bar."""
_SHORT = 16
"""Of a bar, beside whole titles."""
_BETWEEN = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of one host, from its first line to its last."""

    step: str
    host: str
    began_at: datetime
    ended_at: datetime | None
    """None: it is under way. Of one that was cut short: when its run was last heard of."""
    state: str
    """done, failed, cut or open."""

    @property
    def seconds(self) -> float | None:
        """How long it took; None where nobody saw its end."""
        return None if self.ended_at is None or self.state == "cut" else (self.ended_at - self.began_at).total_seconds()


def bars(recorded: Sequence[Recorded], taken_up: Sequence[int] = (), *, over: bool = False) -> list[Bar]:
    """The steps in the order in which they began; one done twice has two bars. Notes are left out.

    ``taken_up``: lines at which somebody went on with the run. What was under way there was cut short, and so was
    what is under way at the end of a run that is ``over``.
    """
    found: list[Bar] = []
    under_way: dict[tuple[str, str], int] = {}

    def cut(at: datetime) -> None:
        for place in under_way.values():
            found[place] = replace(found[place], ended_at=at, state="cut")
        under_way.clear()

    for before, item in zip([*recorded[:1], *recorded], recorded, strict=False):
        event, key = item.event, (item.event.step, item.event.host)
        if any(before.seq < line < item.seq for line in taken_up):
            cut(before.at)
        if isinstance(event, Noted):
            continue
        title = event.title or event.step
        if isinstance(event, StepStarted):
            under_way[key] = len(found)
            found.append(Bar(title, event.host, item.at, None, "open"))
            continue
        state = "failed" if isinstance(event, StepFailed) else "done"
        place = under_way.pop(key, None)
        if place is None:
            found.append(Bar(title, event.host, item.at, item.at, state))
        else:
            found[place] = Bar(title, event.host, found[place].began_at, item.at, state)
    if over and recorded:
        cut(recorded[-1].at)
    return found


def drawn(shown: Sequence[Bar], room: int) -> list[tuple[str, str, str, str, str, str]]:
    """A row of COLUMNS for each, its state unless done; all bars on one scale, none where ``room`` is too small.

    ``room``: columns of the terminal for a whole row.
    """
    if not shown:
        return []
    first, last = min(bar.began_at for bar in shown), max(bar.ended_at or bar.began_at for bar in shown)
    ends = [bar.ended_at or last for bar in shown]
    rows = [
        (
            f"{bar.began_at:%H:%M:%S}",
            bar.step,
            bar.host,
            "" if bar.state == "done" else bar.state,
            "" if bar.seconds is None else f"{bar.seconds:.1f}",
        )
        for bar in shown
    ]
    used = [column for column in zip(COLUMNS, *rows, strict=False) if any(column[1:])]
    widths = [max(len(cell.lstrip("#")) for cell in column) for column in used]
    room -= sum(widths) + _BETWEEN * len(widths)
    if room < _SHORT:
        steps = [fill(bar.step, _STEP, break_long_words=False, break_on_hyphens=False) for bar in shown]
        room += widths[1] - max(len(line) for step in (COLUMNS[1], *steps) for line in step.split("\n"))
        if room < _NARROWEST:
            return [(*row, "") for row in rows]
        rows = [(row[0], step, *row[2:]) for row, step in zip(rows, steps, strict=True)]
    width = min(_WIDEST, room)
    scale = width / max((last - first).total_seconds(), 1e-9)
    found = []
    for row, bar, end in zip(rows, shown, ends, strict=True):
        left = min(width - 1, int((bar.began_at - first).total_seconds() * scale))
        right = max(left + 1, round((end - first).total_seconds() * scale))
        body = {"done": "█", "failed": "▒", "cut": "░", "open": "░"}[bar.state] * (right - left)
        found.append((*row, " " * left + body))
    return found
