"""Setting a cluster's schedule in the text: only the changed lines differ."""

from __future__ import annotations

import difflib

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import example, read_text
from quartermaster.fleet.schema.edit import with_planned, with_schedule

MORNING = {"cron": "0 8 * * 1-5", "min": 6}
PEAK = {"at": "2026-11-23T08:00:00Z", "min": 9}
MORNING_LINE = '- {cron: "0 8 * * 1-5", min: 6}'
PEAK_LINE = "- {at: 2026-11-23T08:00:00Z, min: 9}"


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def test_empty_list_becomes_a_block_and_its_comment_stays_in_place() -> None:
    after = with_schedule(example(), "web", [MORNING, PEAK])
    comment = "# floors by time, written by `ops capacity apply`"
    assert changed(example(), after) == [
        f"-    schedule: []                   {comment}",
        f"+    schedule:                      {comment}",
        f"+      {MORNING_LINE}",
        f"+      {PEAK_LINE}",
    ]


def test_written_text_says_what_was_meant() -> None:
    schedule = read_text(with_schedule(example(), "web", [MORNING, PEAK])).fleet.clusters["web"].schedule
    assert [(entry.cron, entry.min) for entry in schedule] == [("0 8 * * 1-5", 6), ("", 9)]


def test_same_entries_again_change_nothing() -> None:
    once = with_schedule(example(), "web", [MORNING])
    assert with_schedule(once, "web", [MORNING]) == once


def test_taking_all_entries_away_gives_the_first_text_back() -> None:
    assert with_schedule(with_schedule(example(), "web", [MORNING, PEAK]), "web", []) == example()


def test_entry_that_stays_keeps_its_comments() -> None:
    text = (
        "fleet: a\nclusters:\n  web:\n    schedule:\n    # rush hour\n"
        "    - cron: 0 8 * * 1-5   # mine\n      min: 6\n    - {cron: 0 9 * * 6, min: 4}\n    role: x\n"
    )
    after = with_schedule(text, "web", [MORNING, PEAK])
    assert changed(text, after) == ["-    - {cron: 0 9 * * 6, min: 4}", f"+    {PEAK_LINE}"]


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ("clusters:\n  web:\n  api: {}", 4),
        ("clusters:\n    web:\n        role: x", 8),
        ("clusters:\n  web:\n    size:\n      max: 9\n    # c\n    role: x", 4),
    ],
)
def test_missing_key_is_put_in(text: str, indent: int) -> None:
    text = f"fleet: a\n{text}\n"
    expected = [f"+{' ' * indent}schedule:", f"+{' ' * (indent + 2)}{MORNING_LINE}"]
    assert changed(text, with_schedule(text, "web", [MORNING])) == expected


@pytest.mark.parametrize("cluster", ["{}", "{size: {max: 9}}", "{schedule: [], role: x}", "{role: x, schedule: []}"])
def test_cluster_in_braces_stays_on_its_line(cluster: str) -> None:
    text = f"fleet: a\nclusters:\n  web: {cluster} # note\nzones: 3\n"
    after = with_schedule(text, "web", [MORNING])
    assert len(after.splitlines()) == 4
    assert "# note" in after
    assert 'schedule: [{cron: "0 8 * * 1-5", min: 6}]' in after


def test_line_ends_stay_as_they_are() -> None:
    text = "fleet: a\r\nclusters:\r\n  web:\r\n    role: x\r\n"
    after = with_schedule(text, "web", [MORNING])
    assert after.count("\r\n") == after.count("\n") == 6


def test_file_without_a_last_newline() -> None:
    text = "fleet: a\nclusters:\n  web:\n    role: x"
    assert read_text(with_schedule(text, "web", [MORNING])).fleet.clusters["web"].schedule[0].min == 6


def test_unknown_cluster_is_refused() -> None:
    with pytest.raises(InputError, match="api"):
        with_schedule(example(), "api", [MORNING])


def test_shared_cluster_is_refused_rather_than_spoilt() -> None:
    text = "fleet: a\nclusters:\n  web: &w\n    role: x\n  api: *w\n"
    for name in ("api", "web"):
        with pytest.raises(InputError, match=r"in place"):
            with_schedule(text, name, [MORNING])


@pytest.mark.parametrize(
    ("cluster", "line"),
    [
        ("\n    size: {max: 9}\n    role: x", "+    scaling: {planned_utilisation: 0.455}"),
        ("", "+    scaling: {planned_utilisation: 0.455}"),
        (" {size: {max: 9}}", "+  web: {size: {max: 9}, scaling: {planned_utilisation: 0.455}}"),
        ("\n    scaling: {track: cpu}  # ours", "+    scaling: {track: cpu, planned_utilisation: 0.455}  # ours"),
        ("\n    scaling:  # ours\n      track: cpu", "+      planned_utilisation: 0.455"),
        ("\n    scaling:\n    role: x", "+      planned_utilisation: 0.455"),
        ("\n    scaling: {planned_utilisation: 0.5}  # ours", "+    scaling: {planned_utilisation: 0.455}  # ours"),
        ("\n    scaling:\n      planned_utilisation: 0.5\n      track: cpu", "+      planned_utilisation: 0.455"),
    ],
)
def test_what_the_plan_keeps_is_put_in_or_replaced(cluster: str, line: str) -> None:
    text = f"fleet: a\nclusters:\n  web:{cluster}\nzones: 3\n"
    after = with_planned(text, "web", 0.455)
    assert line in changed(text, after)
    assert read_text(after).fleet.clusters["web"].scaling.planned_utilisation == 0.455
    assert with_planned(after, "web", 0.455) == after


def test_a_shared_scaling_is_refused_rather_than_spoilt() -> None:
    text = "fleet: a\nclusters:\n  web:\n    scaling: &s {track: cpu}\n  api:\n    scaling: *s\n"
    with pytest.raises(InputError, match="in place"):
        with_planned(text, "web", 0.455)
