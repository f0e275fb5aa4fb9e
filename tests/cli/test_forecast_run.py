"""``ops forecast run``: a file, a folder of files or the store in, one file out, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quartermaster.cli.main import run
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand

ASKED = [
    "forecast",
    "run",
    "--horizon",
    "12",
    "--levels",
    "0.5,0.9",
    "--models",
    "seasonal_naive_day",
    "--workers",
    "1",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write(pd.concat([demand("a"), demand("b").head(700)]), tmp_path / "in" / "1.parquet")
    write(pd.concat([demand("b").tail(644), demand("c").assign(value=np.nan)]), tmp_path / "in" / "2.parquet")
    return tmp_path


def test_a_folder_of_files_is_one_history(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out.parquet"
    assert run([*ASKED, "--metrics", str(folder / "in"), "--out", str(out), "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["file"], document["series"], document["rows"]) == (str(out), 3, 36)
    assert [choice["series"] for choice in document["choices"]] == ["a", "b"]
    assert [refusal["name"] for refusal in document["refused"]] == ["c"]
    assert "refused: c: none of its" in told.err
    frame = pd.read_parquet(out)
    assert list(frame.columns) == ["series_id", "timestamp", "mean", "q0.5", "q0.9"]
    assert frame.groupby("series_id").size().to_dict() == {"a": 12, "b": 12, "c": 12}


def test_without_json_people_read_the_choices(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out.parquet"
    assert run([*ASKED, "--metrics", str(folder / "in" / "1.parquet"), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "seasonal_naive_day" in told
    assert f"wrote {out}" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metrics", "in/1.parquet", "--out", "out.txt"], "ends in '.txt'"),
        (["--metrics", "in/1.parquet", "--out", "gone/out.parquet"], "gone"),
        (["--metrics", "in/3.parquet", "--out", "out.parquet"], "is not there"),
        (["--metrics", "in", "--out", "out.parquet", "--models", "prophet"], "no forecaster is called 'prophet'"),
        (["--metrics", "in", "--out", "out.parquet", "--dask", "nowhere"], "no Dask scheduler answers at nowhere"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    folder: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("quartermaster.planner.many._CONNECT_SECONDS", 0.5)
    assert run([*ASKED, *words]) == 2
    assert told in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["in"]
