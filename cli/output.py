"""Results to stdout, progress to stderr, both from the same values."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

from quartermaster.cli.options import options
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.fleet.events import Event, Json

__all__ = ["confirm", "draw", "emit", "fields", "say", "table", "working"]


_T = TypeVar("_T")
_FILE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe."""


def emit(document: Json, text: str = "") -> None:
    """The result: the document with --json, else the text."""
    if options().json:
        options().answered = True
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    elif text:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


def say(message: str) -> None:
    """A line for the person, on stderr: stdout holds the result alone."""
    sys.stderr.write(message + "\n")


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something goes on that has no steps: a moving line on a terminal, else one line."""
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False)
    if not console.is_terminal:
        say(f"{what} …")
        yield
        return
    with console.status(f"{what} …"):
        yield


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> str:
    """A table as text, coloured on a terminal; columns whose name starts with ``#`` are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        # The first column names the thing: it is there to be copied, so it is never cut.
        side: Literal["left", "right"] = "right" if column.startswith("#") else "left"
        shown.add_column(column.lstrip("#"), justify=side, no_wrap=place == 0, overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def confirm(question: str, *, plan: str = "") -> None:
    """Show what will happen and ask. --yes answers; without a terminal to ask at, raises InputError."""
    if plan:
        say(plan)
    if options().yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"nobody here to ask: {question}", remedy="--yes, after reading the plan")
    import typer

    if not typer.confirm(question, err=True):
        raise InputError("not confirmed; nothing was changed")


def draw(events: Generator[Event, None, _T] | Iterator[Event], *, quiet: bool = False) -> _T | None:
    """Draw events on stderr until they end; returns the generator's own value.

    A line for each step done, and what runs now. ``quiet`` keeps steps that succeed off the page (dozens of
    resources); failures and notes always show.
    """
    from quartermaster.cli.progress import Progress

    with Progress(quiet=quiet) as progress:
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                value: _T | None = end.value
                return value
            progress.show(event)


def fields(values: Mapping[str, object]) -> str:
    """``name: value`` lines, aligned."""
    width = max((len(name) for name in values), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in values.items())
