"""``ops forecast run --holidays``: what those of a country did is put upon those ahead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from quartermaster.cli.main import run
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand


def asked(folder: Path, *words: str) -> int:
    """Two years up to the day before Thanksgiving 2026, a holiday that halved demand each time."""
    frame = demand(days=760, noise=0.02, weekly=0.0, end=datetime(2026, 11, 25, 23, tzinfo=UTC))
    days = frame["timestamp"].dt.date.astype(str)
    frame.loc[days.isin(["2024-11-28", "2025-11-27"]), "value"] *= 0.5
    write(frame, folder / "in.parquet")
    options = ["--horizon", "48", "--models", "day_median", "--workers", "1", "--timezone", "UTC"]
    where = ["--metrics", str(folder / "in.parquet"), "--out", str(folder / "out.parquet")]
    return run(["forecast", "run", *where, *options, *words])


def test_a_holiday_ahead_is_forecast_as_those_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    means, told = {}, ""
    for words in ([], ["--holidays", "US", "--json"]):
        assert asked(tmp_path, *words) == 0
        told = capsys.readouterr().out
        means[len(words)] = pd.read_parquet(tmp_path / "out.parquet")["mean"].to_numpy().reshape(2, 24).mean(axis=1)
    assert means[3][0] / means[0][0] == pytest.approx(0.5, abs=0.08)
    assert means[3][1] / means[0][1] == pytest.approx(1.0, abs=0.03)
    (choice,) = json.loads(told)["choices"]
    assert "Thanksgiving Day on 2026-11-26: x0.5" in choice["reason"]


def test_holidays_of_nowhere_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(tmp_path, "--holidays", "MARS") == 2
    assert "no calendar of holidays is known for 'MARS'" in capsys.readouterr().err
