"""The table of a patch cycle's hosts, as its events make it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from quartermaster.cli.patch_board import Board
from quartermaster.fleet.events import Event, StepFailed, StepFinished, StepStarted


def started(step: str, host: str = "", **detail: Any) -> StepStarted:
    return StepStarted(step=step, host=host, zone="a" if host else "", detail=detail)


def begun(count: int) -> StepStarted:
    hosts = [f"i-{number}" for number in range(count)]
    waves = [{"zone": "a", "hosts": part} for part in (hosts[:1], hosts[1:])]
    return started("patch", plan={"cluster": "web", "waves": waves})


def shown(board: Board, height: int = 40) -> list[str]:
    """The lines as a terminal of that height has them."""
    console = Console(width=100, height=height)
    board._console = console
    with console.capture() as capture:
        console.print(board.drawn())
    return capture.get().splitlines()


@pytest.fixture
def board() -> Iterator[Board]:
    yield Board(lambda _cluster: None)


def told(board: Board, *events: Event) -> Board:
    for event in events:
        board.take(event)
    return board


def test_hosts_stand_in_the_order_of_their_waves(board: Board) -> None:
    assert [line.split()[0] for line in shown(told(board, begun(4)))[1:5]] == ["i-0", "i-1", "i-2", "i-3"]


def test_hosts_wait_until_their_work_begins(board: Board) -> None:
    lines = shown(told(board, begun(2), started("host", "i-1"), started("drain", "i-1")))
    assert [line.split()[:3] for line in lines[1:3]] == [["i-1", "a", "drain"], ["i-0", "a", "waiting"]]
    assert lines[-1].startswith("0 of 2 hosts done · no requests seen yet")


def test_a_host_that_is_done_shows_its_state_and_its_time(board: Board) -> None:
    done = StepFinished(step="host", host="i-0", zone="a", seconds=12.4, detail={"state": "patched"})
    failed = StepFailed(step="host", host="i-1", zone="a", seconds=3, error="no", detail={"state": "rolled_back"})
    lines = shown(told(board, begun(2), started("host", "i-0"), done, started("host", "i-1"), failed))
    assert lines[1].split() == ["i-0", "a", "patched", "12", "s"]
    assert lines[2].split() == ["i-1", "a", "rolled", "back", "3", "s"]
    assert lines[-1].startswith("2 of 2 hosts done")


def test_what_no_screen_holds_is_counted_and_hosts_under_work_stay_in_sight(board: Board) -> None:
    lines = shown(told(board, begun(60), started("host", "i-59"), started("upgrade", "i-59")), height=20)
    assert lines[1].split()[:3] == ["i-59", "a", "upgrade"]
    assert len(lines) < 20
    assert "and 48 more: 48 waiting" in lines


def test_steps_of_the_group_stand_below(board: Board) -> None:
    assert shown(told(board, begun(1), started("gate:1")))[-1].endswith("· gate:1")
    over = StepFinished(step="gate:1")
    assert "gate" not in shown(told(board, over))[-1]
