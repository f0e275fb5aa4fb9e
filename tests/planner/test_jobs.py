"""The calendar of unattended work: what is in it, what is left out and why, and what becomes of what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quartermaster.fleet.schema import read_text
from quartermaster.planner.drill_schedule import ScheduledDrill
from quartermaster.planner.jobs import MISSED, Calendar, Job, calendar, decide

START = datetime(2026, 3, 28, tzinfo=UTC)
TEXT = """
fleet: shop
timezone: Europe/Dublin
stacks: {{prod: {{target: local, protect: {protect}}}}}
clusters: {{web: {{uses: [orders]}}}}
databases: {{orders: {{engine: postgres}}}}
metrics: {{demand: {{web: {{}}}}}}
patching: {{web: {{window: "Sun 00:30-03:30"}}}}
recovery: {{drills: [{{kind: restore, of: orders}}], allow: {allow}}}
"""


def drill(kind: str = "restore") -> ScheduledDrill:
    at = START + timedelta(hours=9)
    return ScheduledDrill(kind, "orders", 1, "2026-03-28", at, at + timedelta(hours=1), None, "", "")


def made(kind: str = "restore", protect: str = "false", allow: str = "{}", days: int = 2) -> Calendar:
    fleet = read_text(TEXT.format(protect=protect, allow=allow)).fleet
    return calendar(fleet, "prod", [drill(kind)], START, START + timedelta(days=days))


def drills(found: Calendar) -> list[tuple[str, ...]]:
    return [job.command for job in found.jobs if job.kind == "drill"]


def test_a_protected_stack_s_drill_needs_allow_that_names_it() -> None:
    assert drills(made()) == [("drill", "run", "restore", "orders")]
    unnamed = made(protect="true")
    assert drills(unnamed) == []
    assert unnamed.left_out == (
        ("drill restore orders", "stack prod is protected; recovery.allow.prod does not name restore"),
    )
    assert drills(made(protect="true", allow="{prod: [restore]}")) == [
        ("drill", "run", "restore", "orders", "--confirm", "prod")
    ]


def test_people_play_tabletops() -> None:
    assert made("tabletop").left_out == (("drill tabletop orders", "it is people who play it"),)


def test_windows_are_the_people_s_when_clocks_change() -> None:
    """On the 29th the clock goes from 01:00 to 02:00: the three hours from 00:30 on are two."""
    patch = next(job for job in made().jobs if job.kind == "patch")
    assert patch.opens_at.isoformat() == "2026-03-29T00:30:00+00:00"
    assert patch.closes_at - patch.opens_at == timedelta(hours=2)
    drift = [job.opens_at.hour for job in made().jobs if job.kind == "drift"]
    assert drift == [6, 5]  # six by the clock, in UTC


def test_each_hour_has_one_sync() -> None:
    syncs = [job for job in made(days=1).jobs if job.kind == "sync"]
    assert len(syncs) == 24 and all(job.closes_at - job.opens_at == timedelta(hours=1) for job in syncs)


def test_a_job_comes_back_from_its_record() -> None:
    for job in made().jobs:
        assert Job.from_json(job.to_json()) == job
        assert job.kind in MISSED


@pytest.mark.parametrize(
    ("minutes", "state", "running", "act"),
    [
        (-1, "", False, None),
        (0, "", False, "run"),
        (179, "", False, "run"),
        (179, "", True, None),
        (180, "", False, "skip"),
        (60, "stopped", False, "resume"),
        (180, "stopped", False, None),
        *((60, state, False, None) for state in ("running", "done", "failed", "skipped")),
    ],
)
def test_a_job_is_begun_once_within_its_window_or_skipped(
    minutes: int, state: str, running: bool, act: str | None
) -> None:
    job = Job("patch", "web", START, START + timedelta(hours=3), ("patch", "run", "web"), ("patch", "resume", "web"))
    states = {job.key: state} if state else {}
    found = decide([job], states, {"patch web"} if running else set(), START + timedelta(minutes=minutes))
    assert [one.act for one in found] == ([act] if act else [])


def test_a_drill_that_was_cut_short_is_put_right_after_its_window_too() -> None:
    job = next(job for job in made().jobs if job.kind == "drill")
    late = job.closes_at + timedelta(days=1)
    assert [one.act for one in decide([job], {job.key: "stopped"}, set(), late)] == ["resume"]
    assert [one.act for one in decide([job], {}, set(), late)] == ["skip"]
