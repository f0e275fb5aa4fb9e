"""The calendar on a page and as a file, by the command."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import ics
import pytest

from quartermaster.cli.main import run
from quartermaster.fleet.clock import SystemClock

TEXT = """
fleet: shop
timezone: Europe/Dublin
clusters: {web: {uses: [orders]}}
databases: {orders: {engine: postgres}}
patching: {web: {window: "Sun 01:30-03:30"}}
backups: {rules: [{name: nightly, at: "03:00"}]}
freezes: [{from: 2027-03-25, to: 2027-03-26, why: launch}]
recovery: {drills: [{kind: restore, of: orders, every_days: 7}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fleet.yaml").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda clock: datetime(2027, 2, 20, 12, tzinfo=UTC))
    return tmp_path


def test_a_month_is_on_a_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schedule", "show", "--month", "2027-03"]) == 0
    page = capsys.readouterr().out
    assert "March 2027" in page
    for text in ("01:30 patch web", "freeze: launch", "Saint Patrick's Day", "every day 03:00: backup nightly"):
        assert all(word in page for word in text.split()), text
    assert page.count("backup nightly") == 1


def test_the_month_as_a_document_and_as_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schedule", "show", "--month", "2027-03", "--ics", "shop.ics", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {entry["kind"] for entry in document["entries"]} == {"patch", "backup", "drill", "freeze", "holiday"}
    events = ics.Calendar((folder / "shop.ics").read_text(encoding="utf-8")).events
    assert {event.uid for event in events} == {entry["uid"] for entry in document["entries"]}


def test_the_drills_as_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drill", "schedule", "--ics", "drills.ics", "--json", "--days", "28"]) == 0
    document = json.loads(capsys.readouterr().out)
    events = ics.Calendar((folder / "drills.ics").read_text(encoding="utf-8")).events
    assert sorted(event.begin.isoformat().replace("+00:00", "Z") for event in events) == [
        drill["starts_at"] for drill in document["drills"]
    ]


@pytest.mark.parametrize("month", ["2027-13", "march", "1027-03"])
def test_what_is_no_month_is_refused(folder: Path, month: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schedule", "show", "--month", month]) == 2
    assert f"{month!r} is no month" in capsys.readouterr().err


def test_a_window_that_a_freeze_shuts_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frozen = TEXT.replace("from: 2027-03-25, to: 2027-03-26", "from: 2027-03-06, to: 2027-03-07")
    (folder / "fleet.yaml").write_text(frozen, encoding="utf-8")
    assert run(["schedule", "show", "--month", "2027-03"]) == 0
    assert capsys.readouterr().out.count("(frozen)") == 1


def test_what_is_never_possible_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fleet.yaml").write_text(TEXT.replace("drills:", 'hours: "Sun 02:00-02:30", drills:'), encoding="utf-8")
    assert run(["drill", "schedule", "--days", "28"]) == 0
    told = capsys.readouterr().out
    assert told.count("not possible: restore of orders") == 1
    assert "and 3 later of its runs" in told
    assert "starts" not in told


def test_a_fleet_without_drills_is_told_where_they_are_declared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fleet.yaml").write_text("fleet: shop\n", encoding="utf-8")
    assert run(["drill", "schedule"]) == 0
    assert capsys.readouterr().out == "no drills are declared: recovery.drills in fleet.yaml\n"
