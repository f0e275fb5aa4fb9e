"""``ops forecast run`` and what it knows of the days: the clock given, and whether demand changed lately."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quartermaster.cli.main import run
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand
from tests.planner.living import living

SPRING = datetime(2026, 3, 29, 1, tzinfo=UTC)


def asked(frame: pd.DataFrame, folder: Path, *words: str) -> tuple[int, Path]:
    write(frame, folder / "in.parquet")
    out = folder / "out.parquet"
    options = ["--horizon", "24", "--models", "day_median", "--workers", "1", "--out", str(out)]
    return run(["forecast", "run", "--metrics", str(folder / "in.parquet"), *options, *words]), out


def test_the_clock_given_is_kept_across_its_change(tmp_path: Path) -> None:
    came = living("Europe/Berlin", SPRING + pd.Timedelta("1D"), noise=0, weekend=1).tail(24)["value"].to_numpy()
    found = {}
    for zone in ("Europe/Berlin", "UTC"):
        code, out = asked(living("Europe/Berlin", SPRING, noise=0, weekend=1), tmp_path, "--timezone", zone)
        assert code == 0
        found[zone] = np.abs(pd.read_parquet(out)["mean"].to_numpy() / came - 1).max()
    assert found["Europe/Berlin"] < 0.01 < 0.2 < found["UTC"]


def test_what_is_no_zone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for zone in ("Mars/Olympus", "../../etc/passwd", "Europe"):
        code, out = asked(demand(days=14), tmp_path, "--timezone", zone)
        assert code == 2 and not out.exists()
        assert f"--timezone '{zone}' is no time zone" in capsys.readouterr().err


def test_low_confidence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = demand(days=70)
    frame.loc[frame.index[-120:], "value"] *= 2
    assert asked(frame, tmp_path)[0] == 0
    assert "low confidence in web: its level changed to" in capsys.readouterr().out
    assert asked(frame, tmp_path, "--json")[0] == 0
    (choice,) = json.loads(capsys.readouterr().out)["choices"]
    assert choice["confidence"] == "low" and "5.0 days before the end" in choice["confidence_reason"]
    assert asked(demand(days=70), tmp_path, "--json")[0] == 0
    (choice,) = json.loads(capsys.readouterr().out)["choices"]
    assert choice["confidence"] == "normal"
