"""``ops metrics``: a file that fleet.yaml names is synced like any source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quartermaster.cli.main import run
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand

FLEET = "fleet: shop\nmetrics: {source: {kind: csv, path: export.csv}}\nclusters: {web: {}}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    write(demand(days=3, interval_us=300_000_000), tmp_path / "export.csv")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_file_is_synced_once_and_shown_at_each_resolution(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--fleet", str(shop)]
    assert said(capsys, "metrics", "sync", *where)["added"] == 864
    again = said(capsys, "metrics", "sync", *where)
    assert (again["added"], again["changed"]) == (0, 0)
    shown = said(capsys, "metrics", "show", "web", *where)
    assert [(t["name"], t["rows"]) for t in shown["tiers"]] == [
        ("as read", 864),
        ("5min", 864),
        ("1h", 73),
        ("1day", 4),
    ]
    assert shown["gaps"] == []


def test_what_is_shown_to_people_names_resolutions(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["metrics", "sync", "--fleet", str(shop)])
    assert run(["metrics", "list", "--fleet", str(shop)]) == 0
    assert "5min, 1h, 1day" in capsys.readouterr().out
    assert run(["metrics", "show", "web", "--fleet", str(shop)]) == 0
    assert "as read" in capsys.readouterr().out


def test_what_lacks_and_what_comes_twice_is_counted_in_readings(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, where = shop / "export.csv", ["--fleet", str(shop)]
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    # An hour is gone, and two instants are said again.
    file.write_text("\n".join([head, *rows[:100], *rows[112:], *rows[200:202]]) + "\n", encoding="utf-8")
    assert run(["metrics", "sync", *where]) == 0
    assert "web: 2 rows are of an instant that a later row gives again" in capsys.readouterr().out
    shown = said(capsys, "metrics", "show", "web", *where)
    assert [(t["name"], t["missing"]) for t in shown["tiers"]][:2] == [("as read", 12), ("5min", 12)]
    (gap,) = [f for f in shown["findings"] if f["kind"] == "gap"]
    assert gap["detail"].startswith("a gap of 12 intervals:")


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01"])
def test_a_since_that_is_no_instant_is_bad_usage(shop: Path, since: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "sync", "--since", since, "--fleet", str(shop)]) == 2
    assert "2026-01-01, or 30d" in capsys.readouterr().err
