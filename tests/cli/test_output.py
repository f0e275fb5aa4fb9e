"""Tables: on a narrow terminal no word is cut, on a wide one nothing moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.text import Text

from quartermaster.cli.output import table
from tests.cli.terminal import Terminal

COLUMNS = ["run", "of", "state", "#seconds", "host"]
ROWS = [
    ("provision_drift-20261122T093000-1f2e", "stack", "interrupted", "12.5", ""),
    ("patch-20261122T093000-1f2e", "web-cluster-of-24-letter", "done", "3.0", ""),
]


Shown = Callable[..., list[str]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The lines of a table on a terminal of so many columns."""

    def on(
        width: int, columns: list[str] = COLUMNS, rows: list[tuple[str, ...]] = ROWS, *, named: bool = True
    ) -> list[str]:
        monkeypatch.setattr("sys.stdout", Terminal())
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        text = Text.from_ansi(table(columns, rows, title="runs", named=named)).plain
        return [line.rstrip() for line in text.splitlines()]

    return on


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_words_stay_whole_however_narrow_the_terminal(shown: Shown, width: int) -> None:
    lines = shown(width)
    assert all(len(line) <= width for line in lines)
    words = {word for row in ROWS for cell in row for word in cell.split()}
    assert words <= {word for line in lines for word in line.split()}


def test_where_columns_do_not_fit_each_row_is_a_paragraph(shown: Shown) -> None:
    assert shown(50)[:6] == [
        "runs",
        "run      provision_drift-20261122T093000-1f2e",
        "of       stack",
        "state    interrupted",
        "seconds  12.5",
        "",
    ]


def test_a_mark_stands_before_the_name_in_a_paragraph(shown: Shown) -> None:
    assert shown(20, ["", "cluster", "what"], [("✖", "web", "it-has-no-hosts-at-all left")])[1:3] == [
        "cluster  ✖ web",
        "what     it-has-no-h",
    ]


def test_a_path_may_go_over_lines_and_a_table_stays_one(shown: Shown) -> None:
    lines = shown(40, ["part", "found"], [("engine", "/root/.cache/quartermaster/engine/3.250.0/bin/pulumi")])
    assert lines[1].split() == ["part", "found"]


def test_an_empty_column_is_left_out(shown: Shown) -> None:
    assert shown(160)[1].split() == ["run", "of", "state", "seconds"]


def test_days_of_a_week_give_way_alike(shown: Shown) -> None:
    week = [("9\n09:00 restore of orders", "10", "11\n09:00 restore of orders")]
    assert shown(40, ["Mon", "Tue", "Wed"], week, named=False)[2:5] == [
        "9                 10   11",
        "09:00 restore of       09:00 restore of",
        "orders                 orders",
    ]


def test_prose_gives_way_before_what_fits_on_one_line(shown: Shown) -> None:
    rows = [("restore", "Mon 2026-11-23 09:00 GMT", "no forecast for web: the first of 28 allowed hours near the day")]
    assert "Mon 2026-11-23 09:00 GMT" in shown(56, ["drill", "starts", "why"], rows)[2]
