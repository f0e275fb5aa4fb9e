"""A plan is decided once for the same history, settings and hour."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quartermaster.cli.plan_cache import cached

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


class Planner:
    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return f"plan {self.asked}"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "web.parquet").write_bytes(b"history")
    return tmp_path


def ask(store: Path, planner: Planner, settings: object = 1, now: datetime = NOW) -> object:
    return cached(store, store, {"web": settings}, now, planner)  # type: ignore[arg-type]


def test_the_same_question_is_answered_from_the_cache(store: Path) -> None:
    planner = Planner()
    assert [ask(store, planner), ask(store, planner)] == ["plan 1", "plan 1"]


def test_other_history_settings_or_hour_is_another_question(store: Path) -> None:
    planner = Planner()
    ask(store, planner)
    assert ask(store, planner, settings=2) == "plan 2"
    assert ask(store, planner, now=NOW + timedelta(hours=1)) == "plan 3"
    (store / "web.parquet").write_bytes(b"longer history")
    assert ask(store, planner) == "plan 4"


def test_a_damaged_cache_is_decided_anew(store: Path) -> None:
    planner = Planner()
    ask(store, planner)
    next(store.glob("plan-*.pickle")).write_bytes(b"\x80")
    assert ask(store, planner) == "plan 2"
