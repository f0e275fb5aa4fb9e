"""Results to stdout, progress to stderr, both from the same values."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import TYPE_CHECKING, Literal, TypeVar

from quartermaster.cli.options import options
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from quartermaster.fleet.events import Event, Json

__all__ = ["confirm", "draw", "emit", "fields", "folded", "room", "say", "styled", "table", "working"]


_T = TypeVar("_T")
_FILE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe."""
_GAP = 2
"""Between two columns."""
_LONG_WORD = 24
"""Of a name. Longer ones are paths, addresses and ids of runs, which may go over several lines."""
_PIECE = 12
"""Of such a word, on a line, at the least."""
_PROSE = 8
"""Columns by which prose is narrower than other cells, if need be."""


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


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", named: bool = True) -> str:
    """A table as text, coloured on a terminal; columns whose name starts with ``#`` are right-aligned.

    ``named``: the first column names the thing; it is there to be copied, so it is never cut. No other word is, either:
    where the columns cannot stand side by side, each row is a paragraph, a line a cell. An empty column is left out.
    """
    from rich.table import Table

    console = _console()
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    used = [place for place in range(len(columns)) if not cells or any(row[place] for row in cells)]
    columns = [columns[place] for place in used]
    names = [console.render_str(column.lstrip("#")) for column in columns]
    body = [[console.render_str(row[place]) for place in used] for row in cells]
    widths = _widths(list(zip(names, *body, strict=True)), console.width - _GAP * (len(names) - 1), named=named)
    shown = Table(show_header=widths is not None, box=None, pad_edge=False, header_style="bold")
    if widths is None:
        shown.add_column(no_wrap=True, style="bold")
        shown.add_column(overflow="fold")
        for row in body:
            for pair in _paragraph(names, row):
                shown.add_row(*pair)
            shown.add_row()
    else:
        for place, (column, name, width) in enumerate(zip(columns, names, widths, strict=True)):
            side: Literal["left", "right"] = "right" if column.startswith("#") else "left"
            shown.add_column(name, justify=side, no_wrap=named and not place, overflow="fold", width=width)
        for row in body:
            shown.add_row(*row)
    with console.capture() as capture:
        if title:
            console.print(title, style="italic", soft_wrap=True)
        console.print(shown)
    return capture.get()


def styled(text: str) -> str:
    """The text with its marks as colours on a terminal, and without them elsewhere."""
    console = _console()
    with console.capture() as capture:
        console.print(text, soft_wrap=True, end="")
    return capture.get()


def folded(line: str) -> str:
    """The line, indented; on a terminal on as many lines as it takes, those after the first indented further."""
    return fill(
        line, room() if _console().is_terminal else len(line) + 2,
        initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def room() -> int:
    """Columns of a line of the result."""
    return _console().width


def _console() -> Console:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    return console


def _paragraph(names: Sequence[Text], row: Sequence[Text]) -> Iterator[tuple[Text, Text]]:
    """What is to be said of a row, by name; what has no name stands before the next cell."""
    from rich.text import Text

    before = Text()
    for name, cell in zip(names, row, strict=True):
        cell.rstrip()
        if not name.plain:
            before = Text.assemble(cell, " ")
        elif cell.plain:
            yield name, Text.assemble(before, cell)
            before = Text()


def _widths(columns: Sequence[Sequence[Text]], room: int, *, named: bool) -> list[int] | None:
    """A width for each column: the widest give way, down to their longest word. None: there is too little room."""
    from rich.cells import cell_len

    lines = [[cell_len(line) for cell in column for line in cell.plain.split("\n")] for column in columns]
    widths = [max(found) for found in lines]
    words = [[cell_len(word) for cell in column for word in cell.plain.split()] for column in columns]
    least = [max((word if word <= _LONG_WORD else _PIECE for word in found), default=0) for found in words]
    if named:
        least[0] = widths[0]
    natural = list(widths)
    while sum(widths) > room:
        open_ = [place for place, width in enumerate(widths) if width > least[place]]
        if not open_:
            return None
        # Prose goes over many lines anyway: it gives way before what fits on one.
        widths[max(open_, key=lambda place: widths[place] + _PROSE * (natural[place] > 2 * widths[place]))] -= 1
    return widths


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
